import { readFileSync } from 'node:fs';

export interface Instruction {
  readonly name: string;
  readonly text: string;
}

/** A part of the file that begins at a base: an image, or a stage before. */
export interface Stage {
  readonly base: string;
  readonly name: string | undefined;
  readonly instructions: readonly Instruction[];
}

// From dist/test, where this runs.
export const ROOT = new URL('../../', import.meta.url);

/** The stages of the Dockerfile, in their order. */
export function stages(): Stage[] {
  const text = readFileSync(new URL('Dockerfile', ROOT), 'utf8');
  const instructions = text
    .replaceAll(/^#.*\n/gm, '')
    .replaceAll('\\\n', ' ')
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map((line) => ({
      name: line.split(' ', 1)[0]!,
      text: line.slice(line.indexOf(' ') + 1).trim(),
    }));
  return instructions.reduce<Stage[]>((before, instruction) => {
    if (instruction.name === 'FROM') {
      const [, base, name] = /^(\S+)(?: AS (\S+))?$/.exec(instruction.text) ?? [];
      return [...before, { base: base!, name, instructions: [] }];
    }
    const last = before.at(-1)!;
    const grown = { ...last, instructions: [...last.instructions, instruction] };
    return [...before.slice(0, -1), grown];
  }, []);
}

/** What an instruction says, of a stage that has it once. */
export function textOf({ instructions }: Stage, name: string): string {
  return instructions.find((instruction) => instruction.name === name)?.text ?? '';
}

/** The sources of a COPY, its destination, and its stage where that is not the context. */
export function copied(text: string): { from?: string; sources: string[]; to: string } {
  const [, from] = /^--from=(\S+)/.exec(text) ?? [];
  const paths = text.replace(/^--\S+\s+/, '').split(/\s+/);
  return { ...(from !== undefined && { from }), sources: paths.slice(0, -1), to: paths.at(-1)! };
}

/** The program and its arguments, of an instruction in exec form. */
export function execForm(text: string): string[] {
  return JSON.parse(text.slice(text.indexOf('['))) as string[];
}
