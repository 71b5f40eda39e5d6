/** What of a log, or of a history, may be forgotten: nothing, where a bound is absent. */
export interface Retention {
  readonly maxAgeMs?: number;
  readonly maxBytes?: number;
}

/** How long a workspace keeps its events: for ever, where a bound is absent. */
export interface RetentionPolicy {
  readonly log: Retention;
  readonly history: Pick<Retention, 'maxAgeMs'>;
}

/**
 * What the owner of a workspace says of that; of what is absent, the service decides. `null` is for
 * ever.
 */
export interface RetentionConfig {
  log?: { hours?: number | null; bytes?: number | null };
  history?: { hours?: number | null };
}

const MS_PER_HOUR = 3_600_000;

/** Never shorter than was said. */
export function msOf(hours: number): number {
  return Math.ceil(hours * MS_PER_HOUR);
}

/** What holds for a workspace. */
export function policyOf(
  { log = {}, history = {} }: RetentionConfig,
  defaults: Partial<RetentionPolicy>,
): RetentionPolicy {
  const { maxAgeMs, maxBytes } = defaults.log ?? {};
  const { hours, bytes = maxBytes } = log;
  return {
    log: { ...age(hours, maxAgeMs), ...(typeof bytes === 'number' && { maxBytes: bytes }) },
    history: age(history.hours, defaults.history?.maxAgeMs),
  };
}

function age(
  hours: number | null | undefined,
  defaultMs: number | undefined,
): Pick<Retention, 'maxAgeMs'> {
  const maxAgeMs = typeof hours === 'number' ? msOf(hours) : defaultMs;
  return hours === null || maxAgeMs === undefined ? {} : { maxAgeMs };
}
