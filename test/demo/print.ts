import { SingleBar } from 'cli-progress';

export function title(text: string): void {
  process.stdout.write(`\n${text}\n`);
}

export function say(text: string): void {
  process.stdout.write(`  ${text}\n`);
}

/** On the standard error, and only where that is a terminal. */
export function bar(format: string, total: number, payload: object = {}): SingleBar {
  const progress = new SingleBar({
    format,
    barsize: 30,
    barCompleteChar: '█',
    barIncompleteChar: '░',
    clearOnComplete: true,
    hideCursor: true,
  });
  progress.start(total, 0, payload);
  return progress;
}
