import { parentPort } from 'node:worker_threads';
import { openBareLog } from './bare.js';

/** The thread of a durable broadcast: commits what it is sent and says so; at `end` it ends. */
const log = openBareLog();
parentPort?.on('message', (messages: readonly Uint8Array[] | 'end') => {
  if (messages === 'end') {
    log.remove();
    parentPort?.close();
    return;
  }
  log.commit(messages);
  parentPort?.postMessage('committed');
});
