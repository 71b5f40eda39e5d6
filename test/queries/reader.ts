import type { ServiceError } from '../../src/errors.js';
import type { Position } from '../../src/event.js';
import type { Matched } from '../../src/queries/fanout.js';
import type { Subscriber } from '../../src/queries/subscription.js';

type News = [what: string, ...details: (string | number | undefined)[]];
/** What a subscriber was told: the position of an event, or all else by its name. */
export type Told = number | News;

/** A subscriber that keeps what it is told. */
export class Reader implements Subscriber {
  readonly told: Told[] = [];
  /** What a delivery answers: whether it can take more. */
  takes: () => boolean = () => true;
  ready: () => Promise<void> = () => Promise.resolve();

  get positions(): number[] {
    return this.told.filter((each) => typeof each === 'number');
  }

  /** What it was told beside the events and how far it is. */
  get news(): News[] {
    return this.told
      .filter((each) => typeof each !== 'number')
      .filter(([what]) => what !== 'moved');
  }

  get isOver(): boolean {
    return this.news.at(-1)?.[0] === 'ended';
  }

  deliver({ records }: Matched): boolean {
    this.told.push(...records.map(({ position }) => position));
    return this.takes();
  }

  caughtUp(position: Position): void {
    this.told.push(['caughtUp', position]);
  }

  moved(position: Position): void {
    this.told.push(['moved', position]);
  }

  lost(reason: string, first: Position): void {
    this.told.push(['lost', reason, first]);
  }

  ended(error?: ServiceError): void {
    this.told.push(['ended', error?.code]);
  }
}
