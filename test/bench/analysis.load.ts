import { DEEP_PAGE, DEEP_PAGE_EVENTS, draft, USERS } from './analysis.queries.js';
import { post } from './http.js';

export const WORKSPACE = 'bench';
/** As few that each user has some, also in the smallest of the histories. */
const STREAM_EVENTS = 100;
const WAIT_SECONDS = 60;
/** As many as the longest page has, to get deep in few steps. */
const STEP_EVENTS = 1_000;

/** The address of a resource of the workspace that is asked. */
export function address(url: string, resource: 'events' | 'search'): string {
  return `${url}/v2/workspaces/${WORKSPACE}/${resource}`;
}

/**
 * Emits so many events, each hundred in the name of another user, in the order of their time, and
 * waits until all of them can be searched.
 */
export async function load(url: string, events: number): Promise<void> {
  let cursor = '';
  for (let first = 0; first < events; first += STREAM_EVENTS) {
    const lines: string[] = [];
    for (let n = first; n < Math.min(first + STREAM_EVENTS, events); n++) {
      lines.push(`${JSON.stringify(draft(n))}\n`);
    }
    const user = `u${String((first / STREAM_EVENTS) % USERS)}`;
    const headers = { 'Content-Type': 'application/x-ndjson', 'X-User-Id': user };
    const emitted = await post(address(url, 'events'), lines.join(''), headers);
    ({ cursor } = emitted as { cursor: string });
  }
  const waiting = { limit: 1, waitFor: cursor, wait: WAIT_SECONDS };
  for (let isThere = false; !isThere;) {
    isThere = await post(address(url, 'search'), JSON.stringify(waiting)).then(
      () => true,
      (error: unknown) => {
        if (!String(error).includes('wait-timeout')) {
          throw error;
        }
        return false;
      },
    );
  }
}

/** The `next` of the page before the deep one. */
export async function deepKeyset(url: string): Promise<string> {
  let left = (DEEP_PAGE - 1) * DEEP_PAGE_EVENTS;
  let next: string | undefined;
  while (left > 0) {
    const limit = Math.min(left, STEP_EVENTS);
    const page = await post(address(url, 'search'), JSON.stringify({ limit, next }));
    ({ next } = page as { next?: string });
    left -= limit;
  }
  return next!;
}
