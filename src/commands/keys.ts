import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { ServiceError } from '../errors.js';
import { instant } from '../instant.js';
import { logger } from '../logger.js';
import { expired, type Caller } from '../policy.js';
import { ownContext, type Context } from './context.js';
import { KEY_CHANGES, type Key, type Keyring } from './keyring.js';
import type { Workspace } from './workspace.js';
import type { Workspaces } from './workspaces.js';

/** What is asked for when a key is made. `schemas/openapi.yaml` holds its schema. */
export interface KeyRequest {
  readonly role: string;
  readonly description?: string;
  /** RFC 3339. */
  readonly expiresAt?: string;
}

/** Every node holds all keys in memory; a workspace with more wants tokens. */
export const keysMax = 1000;

/** A key is told to be in use no more often: what is to be found is whether it is used at all. */
const USED_EVERY_MS = 60 * 60 * 1000;

const KEY = /^wek_([0-9a-f]{16})_[\w-]{43}$/;
/** Of the id, by which a key is looked up; it is no secret. */
const ID_BYTES = 8;
const SECRET_BYTES = 32;

/** Whether a credential looks like a key of this service. */
export function isKey(credential: string): boolean {
  return credential.startsWith('wek_');
}

/** Makes, revokes and recognises the API keys of workspaces. */
export class Keys {
  readonly #ring: Keyring;
  readonly #workspaces: Workspaces;
  #catchingUp: Promise<void> | undefined;

  constructor(ring: Keyring, workspaces: Workspaces) {
    this.#ring = ring;
    this.#workspaces = workspaces;
  }

  list(workspace: Workspace): Key[] {
    return this.#ring.of(workspace);
  }

  /**
   * Makes a key. It is told here and never again: what is kept is its SHA-256. A password needs a
   * slow hash, since it can be guessed; of 256 random bits no one can try a part worth mentioning,
   * so a slow hash would only make every request slow.
   *
   * @throws ServiceError `limit-exceeded`
   */
  async issue(
    workspace: Workspace,
    { role, description, expiresAt }: KeyRequest,
    context: Context,
  ): Promise<{ key: Key; secret: string }> {
    if (this.list(workspace).length >= keysMax) {
      const message = `A workspace has at most ${String(keysMax)} keys. Revoke those not in use.`;
      throw new ServiceError('limit-exceeded', message);
    }
    const id = randomBytes(ID_BYTES).toString('hex');
    const secret = `wek_${id}_${randomBytes(SECRET_BYTES).toString('base64url')}`;
    const payload = {
      ...keyOf(workspace, id),
      role,
      hash: hashOf(secret).toString('hex'),
      ...(description !== undefined && { description }),
      ...(expiresAt !== undefined && { expiresAt: new Date(instant(expiresAt)).toISOString() }),
    };
    await this.#workspaces.record(KEY_CHANGES.created, payload, context);
    return { key: this.#require(workspace, id), secret };
  }

  /** Revokes a key: on this node at once, on the others when they have read it. */
  async revoke(workspace: Workspace, id: string, context: Context): Promise<void> {
    await this.#find(id);
    this.#require(workspace, id);
    await this.#workspaces.record(KEY_CHANGES.revoked, keyOf(workspace, id), context);
  }

  /**
   * Who comes with a key.
   *
   * @throws ServiceError `unauthorized` for one that is none, or counts no more.
   */
  async callerWith(secret: string): Promise<Caller> {
    const key = await this.#find(KEY.exec(secret)?.[1] ?? '');
    if (!key || !timingSafeEqual(key.hash, hashOf(secret))) {
      throw new ServiceError('unauthorized', 'There is no such API key, or it was revoked.');
    }
    if ((key.caller.expiresAt ?? Infinity) <= Date.now()) {
      throw expired();
    }
    this.#used(key);
    return key.caller;
  }

  #require(workspace: Workspace, id: string): Key {
    const key = this.#ring.get(id);
    if (key?.workspace !== workspace.id) {
      throw new ServiceError('not-found', `The workspace ${workspace.id} has no key ${id}.`);
    }
    return key;
  }

  /** Another node may have made it just now. Many who ask for what there is not look once. */
  async #find(id: string): Promise<Key | undefined> {
    if (id !== '' && !this.#ring.get(id)) {
      this.#catchingUp ??= this.#workspaces.catchUp().finally(() => {
        this.#catchingUp = undefined;
      });
      await this.#catchingUp;
    }
    return this.#ring.get(id);
  }

  #used(key: Key): void {
    const now = Date.now();
    const last = key.lastUsedAt === undefined ? 0 : new Date(key.lastUsedAt).getTime();
    if (now - last < USED_EVERY_MS) {
      return;
    }
    key.lastUsedAt = new Date(now).toISOString();
    const payload = { workspace: key.of.id, epoch: key.of.epoch, key: key.id };
    this.#workspaces
      .record(KEY_CHANGES.used, payload, ownContext('keys'))
      .catch((error: unknown) => {
        // Nobody waits for it, and it is told again in an hour.
        logger.warn({ err: error, key: key.id }, 'cannot record that a key is in use');
      });
  }
}

function keyOf({ id, epoch }: Workspace, key: string): Record<string, string> {
  return { workspace: id, epoch, key };
}

function hashOf(secret: string): Buffer {
  return createHash('sha256').update(secret).digest();
}
