import assert from 'node:assert/strict';
import { RecentIds, type Remembered } from '../../src/commands/idempotency.js';
import { Workspace } from '../../src/commands/workspace.js';
import type { Position } from '../../src/event.js';
import { range } from './sealed.js';

const at = (position: number): Remembered => ({
  run: { appended: Promise.resolve(position as Position) },
  offset: 0,
});
const workspace = (id: string): Workspace => new Workspace(id, 'abcdefgh', '', {});

describe('The ids seen lately', () => {
  const [w, other] = [workspace('w'), workspace('other')];

  it('are known with where their event went, by workspace', () => {
    const recent = new RecentIds(10);
    const [first, second] = [at(1), at(2)];
    recent.remember(w, 'a', first);
    recent.remember(other, 'a', second);
    assert.equal(recent.get(w, 'a'), first);
    assert.equal(recent.get(other, 'a'), second);
    assert.equal(recent.get(w, 'b'), undefined);
    assert.equal(recent.get(workspace('third'), 'a'), undefined);
  });

  it('are not known to a workspace of the same name that was made later', () => {
    const recent = new RecentIds(10);
    recent.remember(w, 'a', at(1));
    assert.equal(recent.get(workspace('w'), 'a'), undefined);
  });

  it('are the latest half at least, and never more than the window', () => {
    const recent = new RecentIds(10);
    for (const n of range(0, 100)) {
      recent.remember(n % 3 === 0 ? w : other, `id${n}`, at(n));
      const known = range(0, n + 1).filter((m) => recent.get(m % 3 === 0 ? w : other, `id${m}`));
      assert.ok(known.length <= 10, `${known.length} are known`);
      assert.deepEqual(known, range(n + 1 - known.length, n + 1));
      assert.ok(known.length >= Math.min(n + 1, 5), `only ${known.length} are known`);
    }
  });

  it('are bounded over all workspaces, however many there are', () => {
    const recent = new RecentIds(10);
    const many = range(0, 1000).map((n) => workspace(`w${n}`));
    for (const each of many) {
      recent.remember(each, 'a', at(1));
    }
    assert.ok(many.filter((each) => recent.get(each, 'a')).length <= 10);
  });

  it('can be forgotten, young or old', () => {
    const recent = new RecentIds(4);
    for (const n of range(0, 3)) {
      recent.remember(w, `id${n}`, at(n));
    }
    recent.forget(w, 'id0');
    recent.forget(w, 'id2');
    recent.forget(w, 'never');
    recent.forget(other, 'id1');
    const known = range(0, 3).filter((n) => recent.get(w, `id${n}`));
    assert.deepEqual(known, [1]);
  });

  it('have the younger of two places', () => {
    const recent = new RecentIds(4);
    recent.remember(w, 'a', at(0));
    recent.remember(w, 'b', at(1));
    const later = at(2);
    recent.remember(w, 'a', later);
    assert.equal(recent.get(w, 'a'), later);
  });
});
