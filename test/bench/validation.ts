import { OpenAPIBackend, type Document } from 'openapi-backend';
import { openapi } from '../../src/commands/schemas.js';
import { checkBody, checkParameters } from '../../src/transport/openapi.js';
import { eventsUrl, request } from '../support/client.js';
import { startNode } from '../support/node.js';

/**
 * What validation against openapi.yaml costs beside a whole small emit: with openapi-backend’s
 * compiled validators, as the service calls them, and with its `validateRequest`, which matches the
 * route and parses the request by itself. CPU time of this process, in microseconds.
 */
const VALIDATIONS = 50_000;
const EMITS = 3_000;

const body = { type: 'order.paid', payload: { total: 12, to: { city: 'Paris' } } };
const headers = { 'content-type': 'application/json', host: '127.0.0.1:3000', accept: '*/*' };

async function microseconds(times: number, work: () => unknown): Promise<number> {
  for (let i = 0; i < times / 10; i++) {
    await work();
  }
  const before = process.cpuUsage();
  for (let i = 0; i < times; i++) {
    await work();
  }
  const { user, system } = process.cpuUsage(before);
  return (user + system) / times;
}

const backend = new OpenAPIBackend({ definition: openapi as unknown as Document, quick: true });
await backend.init();
const operation = backend.getOperation('emitEvents');
const path = '/v2/workspaces/bench/events';

const compiled = await microseconds(VALIDATIONS, () => {
  checkParameters('emitEvents', { params: { workspace: 'bench' }, query: {}, headers });
  checkBody('emitEvents', body);
});
const whole = await microseconds(VALIDATIONS, () =>
  backend.validateRequest({ method: 'post', path, headers, body }, operation),
);
const node = await startNode();
const emit = await microseconds(EMITS, () => request(eventsUrl(node.url, 'bench'), { json: body }));
await node.stop();

process.stdout.write(
  '| what | CPU per request |\n| --- | --- |\n' +
    `| a small emit over HTTP, its client and its threads included | ${emit.toFixed(1)} µs |\n` +
    `| of that, validation by the compiled validators | ${compiled.toFixed(1)} µs |\n` +
    `| validateRequest of openapi-backend, in its place | ${whole.toFixed(1)} µs |\n`,
);
