import { ServiceError } from '../errors.js';
import { roleOf, type Caller } from '../policy.js';
import { and, type Filter } from './filter.js';

/**
 * What a caller asked for, narrowed to what the caller may read: the one place where permission
 * meets a query.
 *
 * @throws ServiceError `forbidden` where the caller may read nothing of the workspace.
 */
export function scoped(caller: Caller, workspace: string, asked: Filter): Filter {
  const { read } = roleOf(caller, workspace);
  if (!read) {
    throw new ServiceError('forbidden', `You may not read the workspace ${workspace}.`);
  }
  return and(read, asked);
}
