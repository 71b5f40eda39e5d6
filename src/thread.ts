import { AssertionError } from 'node:assert/strict';
import { parentPort, Worker, type Transferable } from 'node:worker_threads';
import { ServiceError, type ErrorCode, type ErrorDetails } from './errors.js';

/** What a thread offers: methods whose arguments and results survive structured cloning. */
type Api = Record<string, (...args: never[]) => unknown>;

interface Call {
  id: number;
  method: string;
  args: unknown[];
}

/** An error in a form that survives cloning; `code` where it is a ServiceError. */
interface Failure {
  message: string;
  stack?: string | undefined;
  code?: ErrorCode;
  details?: Pick<ErrorDetails, 'errors' | 'retryAfterSeconds'>;
}

type Answer = { id: number; value: unknown } | { id: number; failure: Failure };

interface Pending {
  resolve: (value: unknown) => void;
  reject: (error: Error) => void;
}

const moved = new WeakMap<object, Transferable[]>();

/** Marks an argument or a result whose buffers are to be moved to the other thread, not copied. */
export function moving<T extends object>(value: T, buffers: Transferable[]): T {
  moved.set(value, buffers);
  return value;
}

function buffersOf(value: unknown): Transferable[] {
  return typeof value === 'object' && value !== null ? (moved.get(value) ?? []) : [];
}

/**
 * A worker thread whose methods are called as if they were here, answered in the order of the
 * calls.
 *
 * A thread that dies is not started again: what it held is unknown. Its pending and later calls
 * fail with `unavailable`. One that dies before it has answered anything never started: then its
 * calls fail with the very error, for whoever starts it.
 */
export class Thread<A extends Api> {
  /** Never settles while the thread lives, nor when it is terminated. */
  readonly died: Promise<Error>;
  #tellDeath!: (error: Error) => void;
  readonly #worker: Worker;
  readonly #pending = new Map<number, Pending>();
  #nextId = 0;
  #started = false;
  #gone: Error | undefined;

  constructor(script: URL, workerData: unknown) {
    this.died = new Promise((resolve) => {
      this.#tellDeath = resolve;
    });
    this.#worker = new Worker(script, { workerData });
    this.#worker.on('message', (answer: Answer) => {
      this.#settle(answer);
    });
    this.#worker.on('error', (error: Error) => {
      this.#die(error);
    });
    this.#worker.on('exit', (code) => {
      this.#die(new Error(`thread ${script.pathname} ended with code ${code}`));
    });
  }

  call<M extends keyof A & string>(
    method: M,
    ...args: Parameters<A[M]>
  ): Promise<Awaited<ReturnType<A[M]>>> {
    return new Promise((resolve, reject) => {
      if (this.#gone) {
        reject(this.#gone);
        return;
      }
      const id = this.#nextId++;
      this.#worker.postMessage({ id, method, args } satisfies Call, args.flatMap(buffersOf));
      this.#pending.set(id, { resolve: resolve as Pending['resolve'], reject });
    });
  }

  /** Ends the thread. Calls that still run fail with `unavailable`. */
  async terminate(): Promise<void> {
    this.#fail(new ServiceError('unavailable', 'closed'));
    await this.#worker.terminate();
  }

  #settle(answer: Answer): void {
    this.#started = true;
    const pending = this.#pending.get(answer.id);
    this.#pending.delete(answer.id);
    if ('value' in answer) {
      pending?.resolve(answer.value);
    } else {
      pending?.reject(revive(answer.failure));
    }
  }

  #die(error: Error): void {
    if (this.#gone) {
      return;
    }
    const details = { cause: error };
    this.#fail(
      this.#started
        ? new ServiceError('unavailable', 'a thread of the service died', details)
        : error,
    );
    this.#tellDeath(error);
  }

  #fail(error: Error): void {
    this.#gone ??= error;
    for (const { reject } of this.#pending.values()) {
      reject(this.#gone);
    }
    this.#pending.clear();
  }
}

/**
 * Answers the calls of the thread that started this one. What a method throws is the answer, except
 * for a violated assertion: that is a fault of ours with unknown reach, and ends the thread.
 */
export function serve(api: Api): void {
  const port = parentPort;
  if (!port) {
    throw new Error('serve() runs in a worker thread only');
  }
  port.on('message', ({ id, method, args }: Call) => {
    const answer = async (): Promise<unknown> =>
      (api[method] as (...args: unknown[]) => unknown)(...args);
    answer().then(
      (value) => {
        port.postMessage({ id, value } satisfies Answer, buffersOf(value));
      },
      (error: unknown) => {
        if (error instanceof AssertionError) {
          queueMicrotask(() => {
            throw error;
          });
          return;
        }
        port.postMessage({ id, failure: flatten(error) } satisfies Answer);
      },
    );
  });
}

function flatten(error: unknown): Failure {
  if (!(error instanceof Error)) {
    return { message: String(error) };
  }
  const { message, stack } = error;
  if (!(error instanceof ServiceError)) {
    return { message, stack };
  }
  const { code, errors, retryAfterSeconds } = error;
  const details = { ...(errors && { errors }), ...(retryAfterSeconds && { retryAfterSeconds }) };
  return { message, stack, code, details };
}

function revive({ message, stack, code, details }: Failure): Error {
  const error = code ? new ServiceError(code, message, details) : new Error(message);
  if (stack !== undefined) {
    error.stack = stack;
  }
  return error;
}
