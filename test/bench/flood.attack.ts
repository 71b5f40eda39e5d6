import { spawnSync } from 'node:child_process';
import { constants, setPriority } from 'node:os';

/**
 * What the scripts of attackers have in common. They run behind all others: what is measured is
 * what the node does with what they send, and not how they and it share the processors.
 *
 * @param tell What has come of it, once the benchmark ends the attack.
 */
export function attack(tell: () => unknown): void {
  setPriority(constants.priority.PRIORITY_LOW);
  // Linux lets a process of low priority have its turn to the end, some milliseconds of it; one
  // that is to idle makes way at once. Where there is no `chrt`, the low priority has to do.
  spawnSync('chrt', ['--all-tasks', '--idle', '--pid', '0', String(process.pid)]);
  process.stdin.resume().once('end', () => {
    process.stdout.write(`${JSON.stringify(tell())}\n`, () => process.exit());
  });
}

/** Tells the benchmark that the attack is under way. */
export function attacking(): void {
  process.stdout.write('attacks\n');
}
