import type { Event } from '../event.js';
import type { Caller, KeyGrant } from '../policy.js';

export const KEY_CHANGES = {
  created: 'key.created',
  revoked: 'key.revoked',
  /** Told about once an hour of a key that is in use, so that those that are not can be found. */
  used: 'key.used',
} as const;

/** Whose keys they are: those of a workspace that is made again are others. */
interface Owner {
  readonly id: string;
  readonly epoch: string;
}

/** An API key as the system workspace tells: all but the key itself. */
export class Key implements KeyGrant {
  readonly id: string;
  readonly of: Owner;
  readonly role: string;
  readonly description: string | undefined;
  readonly createdAt: string;
  /** ISO 8601. */
  readonly expiresAt: string | undefined;
  /** SHA-256 of the key. */
  readonly hash: Buffer;
  readonly caller: Caller;
  lastUsedAt: string | undefined;
  isRevoked = false;

  constructor(event: Event) {
    const { payload, createdAt } = event;
    this.id = payload.key as string;
    this.of = ownerIn(event);
    this.role = payload.role as string;
    this.description = payload.description as string | undefined;
    this.createdAt = createdAt;
    this.expiresAt = payload.expiresAt as string | undefined;
    this.hash = Buffer.from(payload.hash as string, 'hex');
    this.caller = {
      superadmin: false,
      userId: `${KEY_USER}${this.id}`,
      key: this,
      ...(this.expiresAt !== undefined && { expiresAt: new Date(this.expiresAt).getTime() }),
    };
  }

  get workspace(): string {
    return this.of.id;
  }
}

/** Begins the user id of a key; nobody else may have such a one. */
export const KEY_USER = 'key:';

/** The API keys, folded from the system workspace: its events are the only record of them. */
export class Keyring {
  readonly #byId = new Map<string, Key>();
  readonly #byWorkspace = new Map<string, Set<Key>>();
  readonly #revokedListeners: ((key: Key) => void)[] = [];

  get(id: string): Key | undefined {
    return this.#byId.get(id);
  }

  /** Those of a workspace that count, oldest first. */
  of(workspace: Owner): Key[] {
    return [...(this.#byWorkspace.get(nameOf(workspace)) ?? [])];
  }

  /** Tells of each key that counts no more, on this node or another. */
  onRevoked(listener: (key: Key) => void): void {
    this.#revokedListeners.push(listener);
  }

  /** Takes an event of the system workspace. */
  fold(event: Event): void {
    const { type, createdAt, payload } = event;
    const key = this.#byId.get(payload.key as string);
    if (type === KEY_CHANGES.created && !key) {
      this.#add(new Key(event));
    } else if (type === KEY_CHANGES.revoked && key) {
      this.#revoke(key);
    } else if (type === KEY_CHANGES.used && key) {
      key.lastUsedAt = createdAt;
    } else if (type === 'workspace.purging' || isFinal(event)) {
      this.of(ownerIn(event)).forEach((each) => {
        this.#revoke(each);
      });
    }
  }

  #add(key: Key): void {
    const name = nameOf(key.of);
    this.#byId.set(key.id, key);
    this.#byWorkspace.set(name, (this.#byWorkspace.get(name) ?? new Set()).add(key));
  }

  #revoke(key: Key): void {
    const name = nameOf(key.of);
    const keys = this.#byWorkspace.get(name);
    this.#byId.delete(key.id);
    keys?.delete(key);
    if (keys?.size === 0) {
      this.#byWorkspace.delete(name);
    }
    key.isRevoked = true;
    this.#revokedListeners.forEach((listener) => {
      listener(key);
    });
  }
}

function ownerIn({ payload }: Event): Owner {
  return { id: payload.workspace as string, epoch: payload.epoch as string };
}

/** Neither an id nor an epoch has a slash. */
function nameOf({ id, epoch }: Owner): string {
  return `${id}/${epoch}`;
}

/** Whether it is a deletion that cannot be undone, as are all of a release that gave no grace. */
function isFinal({ type, createdAt, payload }: Event): boolean {
  const { purgeAt = createdAt } = payload as { purgeAt?: string };
  return type === 'workspace.deleted' && purgeAt <= createdAt;
}
