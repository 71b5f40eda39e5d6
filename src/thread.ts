import { parentPort, Worker } from 'node:worker_threads';
import { ServiceError, type ErrorCode } from './errors.js';

/** What a thread offers: methods whose arguments and results survive structured cloning. */
type Api = Record<string, (...args: never[]) => unknown>;

interface Call {
  id: number;
  method: string;
  args: unknown[];
}

type Answer =
  | { id: number; value: unknown }
  | { id: number; failure: { message: string; code?: ErrorCode; stack?: string } };

interface Pending {
  resolve: (value: unknown) => void;
  reject: (error: Error) => void;
}

/** A worker thread whose methods are called as if they were here, answered in the order of the calls. */
export class Thread<A extends Api> {
  readonly #worker: Worker;
  readonly #pending = new Map<number, Pending>();
  #nextId = 0;
  #gone: Error | undefined;

  constructor(script: URL, workerData: unknown) {
    this.#worker = new Worker(script, { workerData });
    this.#worker.on('message', (answer: Answer) => {
      this.#settle(answer);
    });
    this.#worker.on('error', (error: Error) => {
      this.#fail(error);
    });
    this.#worker.on('exit', (code) => {
      this.#fail(new Error(`thread ${script.pathname} ended with code ${String(code)}`));
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
      this.#pending.set(id, { resolve: resolve as Pending['resolve'], reject });
      this.#worker.postMessage({ id, method, args } satisfies Call);
    });
  }

  async terminate(): Promise<void> {
    await this.#worker.terminate();
  }

  #settle(answer: Answer): void {
    const pending = this.#pending.get(answer.id);
    this.#pending.delete(answer.id);
    if ('value' in answer) {
      pending?.resolve(answer.value);
    } else {
      pending?.reject(revive(answer.failure));
    }
  }

  #fail(error: Error): void {
    this.#gone ??= error;
    for (const { reject } of this.#pending.values()) {
      reject(this.#gone);
    }
    this.#pending.clear();
  }
}

/** Answers the calls of the thread that started this one. */
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
        port.postMessage({ id, value } satisfies Answer);
      },
      (error: unknown) => {
        port.postMessage({ id, failure: flatten(error) } satisfies Answer);
      },
    );
  });
}

function flatten(error: unknown): { message: string; code?: ErrorCode; stack?: string } {
  if (!(error instanceof Error)) {
    return { message: String(error) };
  }
  return {
    message: error.message,
    ...(error instanceof ServiceError && { code: error.code }),
    ...(error.stack !== undefined && { stack: error.stack }),
  };
}

function revive(failure: { message: string; code?: ErrorCode; stack?: string }): Error {
  if (failure.code) {
    return new ServiceError(failure.code, failure.message);
  }
  const error = new Error(failure.message);
  if (failure.stack !== undefined) {
    error.stack = failure.stack;
  }
  return error;
}
