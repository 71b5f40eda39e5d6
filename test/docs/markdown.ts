/** A fenced block: its language, what stands behind it, and what is in it. */
export interface Block {
  readonly language: string;
  readonly mark: string;
  readonly text: string;
  /** The heading above it. */
  readonly heading: string;
}

/** The fenced blocks of a document, in order. */
export function blocks(markdown: string): Block[] {
  const found: Block[] = [];
  let heading = '';
  for (const [, title, language, mark, text] of markdown.matchAll(
    /^#+ (.+)$|^```(\w+)(?: (\w+))?\n([^]*?)^```$/gm,
  )) {
    heading = title ?? heading;
    if (language !== undefined) {
      found.push({ language, mark: mark ?? '', text: text ?? '', heading });
    }
  }
  return found;
}

/** The rows of the table under a heading: the text of their cells, without their code marks. */
export function tableUnder(markdown: string, heading: string): string[][] {
  const lines = markdown.split('\n');
  const under = lines.slice(lines.indexOf(heading) + 1);
  const begin = under.findIndex((line) => line.startsWith('|'));
  const end = under.findIndex((line, index) => index > begin && !line.startsWith('|'));
  // Behind the head and the line under it.
  return under.slice(begin + 2, end).map((line) =>
    line
      .split(/(?<!\\)\|/)
      .slice(1, -1)
      .map((cell) => cell.trim().replaceAll('\\|', '|')),
  );
}

/** A cell that is code. */
export function code(text: string): string {
  return text === '' ? '' : `\`${text}\``;
}
