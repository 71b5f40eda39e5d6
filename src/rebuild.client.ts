/** How far a rebuild is, as `schemas/openapi.yaml` has it. */
export interface Progress {
  readonly generation: number;
  readonly done: number;
  readonly total: number;
}

export interface State {
  readonly generation: number;
  readonly rebuilding?: Progress;
}

/** Nobody answers, or not now: the same may work later. */
export class Away extends Error {
  /** How long to wait before, as far as the service has said. */
  readonly retryAfterSeconds: number | undefined;
  /** It is there, but does as much as it may: that lasts as long as what it does. */
  readonly isFull: boolean;

  constructor(message: string, retryAfterSeconds?: number, isFull = false) {
    super(message);
    this.retryAfterSeconds = retryAfterSeconds;
    this.isFull = isFull;
  }
}

/** The same comes again. */
class Refused extends Error {
  readonly status: number;

  constructor(message: string, status: number) {
    super(message);
    this.status = status;
  }
}

/** Longer than a service that is well needs, so that a hung one is told. */
const ANSWER_MS_MAX = 10_000;

const SYSTEM = '_system';

/** After these the same may work later. */
const LATER = [408, 429, 503, 504];
const FULL = 429;

const UNKNOWN = 401;
const FORBIDDEN = 403;

interface Problem {
  readonly detail?: string;
}

/** The calls of the service that a rebuild needs. */
export class Client {
  readonly #url: string;
  readonly #headers: Readonly<Record<string, string>>;

  /** @param token A credential, where the service asks for one. */
  constructor(url: string, token?: string) {
    this.#url = url;
    this.#headers = token === undefined ? {} : { Authorization: `Bearer ${token}` };
  }

  /** The names of all workspaces whose histories the caller may have rebuilt. */
  async workspaces(): Promise<string[]> {
    const { workspaces } = await this.#ask<{ workspaces: { id: string }[] }>('GET', '');
    const system = await this.state(SYSTEM).then(
      () => [SYSTEM],
      (error: unknown) => {
        if (error instanceof Refused && error.status === FORBIDDEN) {
          return [];
        }
        throw error;
      },
    );
    return [...workspaces.map(({ id }) => id), ...system];
  }

  state(workspace: string): Promise<State> {
    return this.#ask('GET', `/${encodeURIComponent(workspace)}/rebuild`);
  }

  /** Begins, or joins the one that is running. */
  start(workspace: string): Promise<State> {
    return this.#ask('POST', `/${encodeURIComponent(workspace)}/rebuild`);
  }

  cancel(workspace: string): Promise<State> {
    return this.#ask('DELETE', `/${encodeURIComponent(workspace)}/rebuild`);
  }

  /** @throws Away; Refused for good, with what the service has said. */
  async #ask<T>(method: string, path: string): Promise<T> {
    const response = await this.#fetch(method, path);
    const body = (await response.json().catch(() => undefined)) as (T & Problem) | undefined;
    if (response.ok && body) {
      return body;
    }
    const { detail } = body ?? {};
    if (LATER.includes(response.status)) {
      const seconds = Number(response.headers.get('Retry-After') ?? NaN);
      throw new Away(
        detail ?? 'The service is busy.',
        Number.isNaN(seconds) ? undefined : seconds,
        response.status === FULL,
      );
    }
    const refusal =
      detail ??
      `What answers at ${this.#url}, with status ${response.status}, is no workspace-events. ` +
        'Say with --url where it is.';
    const hint =
      response.status === UNKNOWN ? ' Put it into a file, and name that by --token-file.' : '';
    throw new Refused(refusal + hint, response.status);
  }

  async #fetch(method: string, path: string): Promise<Response> {
    try {
      const signal = AbortSignal.timeout(ANSWER_MS_MAX);
      const headers = this.#headers;
      return await fetch(`${this.#url}/v2/workspaces${path}`, { method, headers, signal });
    } catch (error) {
      const { cause, message } = error as Error & { cause?: { code?: string } };
      throw new Away(
        `No service answers at ${this.#url} (${cause?.code ?? message}). ` +
          'Start it with npm start, or say with --url where it is.',
      );
    }
  }
}
