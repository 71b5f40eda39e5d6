import { logger } from '../logger.js';
import { NO_GRANTS, parseGrants, type Grants, type GrantsJson } from '../policy.roles.js';

const parsed = new WeakMap<GrantsJson, Grants>();

/** What a configuration grants, read once. One that cannot be read grants nothing. */
export function grantsOf(config: GrantsJson): Grants {
  let grants = parsed.get(config);
  if (!grants) {
    grants = read(config);
    parsed.set(config, grants);
  }
  return grants;
}

function read(config: GrantsJson): Grants {
  try {
    return parseGrants(config);
  } catch (error) {
    // It was valid when it was recorded, by an older or a newer version of the service perhaps.
    logger.error(
      { err: error },
      'a workspace has roles that cannot be read, so they grant nothing',
    );
    return NO_GRANTS;
  }
}
