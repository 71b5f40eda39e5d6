import { ServiceError } from '../errors.js';
import { roleOf, type Caller } from '../policy.js';
import type { Grants } from '../policy.roles.js';
import { and, type Filter } from './filter.js';

/**
 * What a caller asked for, narrowed to what the caller may read: the one place where permission
 * meets a query.
 *
 * @param grants What the workspace grants; absent where this node does not know it.
 *
 * @throws ServiceError `forbidden` where the caller may read nothing of the workspace.
 */
export function scoped(
  caller: Caller,
  workspace: string,
  asked: Filter,
  grants: Grants | undefined,
): Filter {
  const { read } = roleOf(caller, workspace, grants);
  if (!read) {
    throw new ServiceError('forbidden', `You may not read the workspace ${workspace}.`);
  }
  // The same object for the same question, so that it is compiled once.
  if (asked.root.op === 'all') {
    return read;
  }
  return read.root.op === 'all' ? asked : and(read, asked);
}
