import { SingleBar } from 'cli-progress';
import type { Progress } from './rebuild.client.js';

/** Over so long the rate is measured: long enough to be steady, and short enough to be of now. */
const RATE_MS = 10_000;

/** Between two lines, where there is no terminal to draw on. */
const LINE_MS = 2_000;

interface Sample {
  readonly at: number;
  readonly done: number;
}

/** The rate of a rebuild, measured from what it has told of itself. */
export class Rate {
  readonly #samples: Sample[] = [];

  /**
   * How many a second are done, and in how many seconds all of them will be; nothing at first.
   *
   * @param at In milliseconds, never less than before.
   */
  after(
    { done, total }: Pick<Progress, 'done' | 'total'>,
    at: number,
  ): { perSecond: number; restSeconds: number } | undefined {
    this.#samples.push({ at, done });
    while (this.#samples.length > 2 && this.#samples[1]!.at <= at - RATE_MS) {
      this.#samples.shift();
    }
    const [first] = this.#samples;
    const perSecond = ((done - first!.done) / (at - first!.at)) * 1000;
    return perSecond > 0 && Number.isFinite(perSecond)
      ? { perSecond, restSeconds: (total - done) / perSecond }
      : undefined;
  }
}

/** Shows how far the rebuild of a workspace is: a bar on a terminal, else a line now and then. */
export class Display {
  readonly #bar: SingleBar;
  readonly #rate = new Rate();
  #shown = { done: 0, total: 0 };

  constructor(workspace: string, stream: NodeJS.WriteStream) {
    const shown = '{percentage} %, {done} of {all}, {told}';
    this.#bar = new SingleBar({
      format: stream.isTTY ? `${workspace} {bar} ${shown}` : `${workspace}: ${shown}`,
      stream,
      barsize: 30,
      barCompleteChar: '█',
      barIncompleteChar: '░',
      hideCursor: true,
      // Who asked says how it ended, and where there is no terminal, there is nothing to clear.
      clearOnComplete: true,
      noTTYOutput: true,
      notTTYSchedule: LINE_MS,
      // Who asked says what Ctrl-C does.
      gracefulExit: false,
    });
  }

  show({ done, total }: Progress): void {
    const rate = this.#rate.after({ done, total }, performance.now());
    this.#shown = { done, total };
    this.#draw(
      rate
        ? `${counted(rate.perSecond)}/s, ${lasting(rate.restSeconds)} left`
        : 'the rate is not known yet',
    );
  }

  /** In place of the rate. */
  tell(told: string): void {
    this.#draw(told);
  }

  end(): void {
    this.#bar.stop();
  }

  #draw(told: string): void {
    const { done, total } = this.#shown;
    const payload = { done: counted(done), all: counted(total), told };
    // A bar of nothing would be full.
    const most = Math.max(total, 1);
    if (this.#bar.isActive) {
      this.#bar.setTotal(most);
      this.#bar.update(done, payload);
    } else {
      this.#bar.start(most, done, payload);
    }
  }
}

export function counted(number: number): string {
  return Math.round(number).toLocaleString('en');
}

/** A time in seconds as people say it. */
export function lasting(seconds: number): string {
  const whole = Math.ceil(seconds);
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor((whole % 3600) / 60)];
  if (hours > 0) {
    return `${hours} h ${minutes} min`;
  }
  return minutes > 0 ? `${minutes} min ${whole % 60} s` : `${whole} s`;
}
