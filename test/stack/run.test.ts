import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

describe('The run of the tests that need the real servers', () => {
  it('fails, rather than skips them, and says what is missing', () => {
    const script = fileURLToPath(new URL('run.js', import.meta.url));
    // A machine may have its Java elsewhere, but Maven is sought on the PATH alone.
    const env = { ...process.env, PATH: '', JAVA_HOME: '' };
    const { status, stderr } = spawnSync(process.execPath, [script], { env, encoding: 'utf8' });
    assert.equal(status, 1);
    assert.match(stderr, /^The real servers need what is missing here:\n/);
    assert.match(stderr, /^- Maven, as `mvn` on the PATH, from /m);
  });
});
