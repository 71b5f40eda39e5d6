/** What is counted by the second. */
export type Rate = 'eventsPerSecond' | 'bytesPerSecond' | 'searchesPerSecond';
/** What is counted as long as it is there. */
export type Place = 'connections' | 'subscriptions';
export type QuotaName = Rate | Place;

/** Whose quota it is: of all callers of a workspace together, or of each of them there. */
export type QuotaScope = 'workspace' | 'caller';

/** How much may be taken of a node; `Infinity` where there is no bound. */
export type Quota = Readonly<Record<QuotaName, number>>;

/** The quotas of workspaces that do not have their own. */
export type Quotas = Readonly<Record<QuotaScope, Quota>>;

/** What a workspace has of its own: `null` is no bound; of what is absent, the service decides. */
export type QuotasJson = Partial<Record<QuotaScope, Partial<Record<QuotaName, number | null>>>>;

/** The bound that holds. */
export function boundOf(
  own: QuotasJson,
  defaults: Quotas,
  scope: QuotaScope,
  name: QuotaName,
): number {
  const bound = own[scope]?.[name];
  return bound === null ? Infinity : (bound ?? defaults[scope][name]);
}
