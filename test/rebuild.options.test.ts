import assert from 'node:assert/strict';
import { optionsOf, UsageError } from '../src/rebuild.options.js';

describe('The command that rebuilds', () => {
  const HERE = 'http://127.0.0.1:3000';

  it('takes workspaces, or all of them, and where the service is', () => {
    const none = { url: HERE, workspaces: [], cancel: false, help: false };
    assert.deepEqual(optionsOf(['--all']), none);
    assert.deepEqual(optionsOf(['--help']), { ...none, help: true });
    assert.deepEqual(
      optionsOf(['--workspace', 'b', '--workspace=a', '--workspace', 'b', '--cancel']),
      { ...none, workspaces: ['b', 'a'], cancel: true },
    );
    const own = optionsOf(['--all', '--token-file', 'token']);
    assert.deepEqual(own, { ...none, tokenFile: 'token' });
    for (const url of ['https://events.example/at/', 'https://events.example/at']) {
      const { url: address } = optionsOf(['--all', '--url', url]);
      assert.equal(address, 'https://events.example/at');
    }
  });

  for (const [what, args, message] of [
    ['does not say which', [], /--workspace <name>, or --all/],
    ['says all and some', ['--all', '--workspace', 'a'], /leave --workspace out, or --all/],
    ['has an empty name', ['--workspace', ' '], /--workspace has an empty name/],
    ['has no name', ['--workspace'], /--workspace.*argument missing/],
    ['has an option that there is not', ['--al'], /Unknown option '--al'/],
    ['has a word too many', ['--all', 'shop'], /Unexpected argument 'shop'/],
    ['has no address', ['--all', '--url', 'localhost:3000'], /--url is localhost:3000/],
    ['has half an address', ['--all', '--url', '3000'], /such as http:\/\/127\.0\.0\.1:3000/],
  ] as const) {
    it(`is refused with what would be right where it ${what}`, () => {
      assert.throws(
        () => optionsOf(args),
        (error) => error instanceof UsageError && message.test(error.message),
      );
    });
  }
});
