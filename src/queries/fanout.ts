import type { Position, Recorded } from '../event.js';
import type { Filter, FilterNode } from './filter.js';
import { compile, textsAt } from './filter.predicate.js';

/** How a transport puts events on the wire. Members with equal keys get the same bytes. */
export interface Framing {
  readonly key: string;
  frame(records: readonly Recorded[]): Buffer;
}

/** What one batch gave to one filter; framed once for each framing, however many receive it. */
export class Matched {
  readonly records: readonly Recorded[];
  readonly #frames = new Map<string, Buffer>();

  constructor(records: readonly Recorded[]) {
    this.records = records;
  }

  frame(framing: Framing): Buffer {
    let frame = this.#frames.get(framing.key);
    if (!frame) {
      frame = framing.frame(this.records);
      this.#frames.set(framing.key, frame);
    }
    return frame;
  }
}

export interface Member {
  /** Takes what a batch gave it. False: it has it, but can take no more for now, and leaves. */
  deliver(matched: Matched): boolean;
  /** Nothing matched for a while, but the log went on to here. */
  moved(position: Position): void;
}

/** All members with one filter. */
class Group {
  readonly filter: Filter;
  readonly matches: (record: Recorded) => boolean;
  readonly members = new Set<Member>();
  pending: Recorded[] = [];
  idle = true;

  constructor(filter: Filter) {
    this.filter = filter;
    this.matches = compile(filter);
  }
}

/** The groups filed under the values of one field. */
interface Shelf {
  readonly texts: (record: Recorded) => string[];
  readonly byValue: Map<string, Set<Group>>;
}

/**
 * The values of a field that a filter cannot match without; a group is filed under each of them.
 */
interface Handle {
  readonly field: string;
  readonly values: readonly string[];
}

/**
 * Hands each batch to the live members. Equal filters are evaluated once per event, and a filter
 * that demands a value of a field (`source.userId = u1`), or one of several, only for events that
 * have it: a thousand subscribers who each watch their own user cost an event one look-up, not a
 * thousand evaluations.
 */
export class Fanout {
  readonly #groups = new Map<string, Group>();
  readonly #unfiled = new Set<Group>();
  readonly #filed = new Map<string, Shelf>();
  #members = 0;

  get size(): number {
    return this.#members;
  }

  join(filter: Filter, member: Member): void {
    let group = this.#groups.get(filter.key);
    if (!group) {
      group = new Group(filter);
      this.#groups.set(filter.key, group);
      this.#file(group);
    }
    group.members.add(member);
    this.#members++;
  }

  leave(filter: Filter, member: Member): void {
    const group = this.#groups.get(filter.key);
    if (!group?.members.delete(member)) {
      return;
    }
    this.#members--;
    if (group.members.size === 0) {
      this.#groups.delete(filter.key);
      this.#unfile(group);
    }
  }

  /** Delivers to everybody at once; who cannot take more has left when this returns. */
  publish(records: readonly Recorded[]): void {
    const touched = new Set<Group>();
    for (const record of records) {
      for (const group of this.#candidates(record)) {
        // An event with two of a group's values comes up twice.
        if (group.pending.at(-1) !== record && group.matches(record)) {
          group.pending.push(record);
          touched.add(group);
        }
      }
    }
    for (const group of touched) {
      const matched = new Matched(group.pending);
      group.pending = [];
      group.idle = false;
      for (const member of group.members) {
        if (!member.deliver(matched)) {
          this.leave(group.filter, member);
        }
      }
    }
  }

  /** Tells the members of every filter that nothing matched since the last call. */
  tellIdle(position: Position): void {
    for (const group of this.#groups.values()) {
      if (group.idle) {
        for (const member of group.members) {
          member.moved(position);
        }
      }
      group.idle = true;
    }
  }

  *#candidates(record: Recorded): Iterable<Group> {
    yield* this.#unfiled;
    for (const { texts, byValue } of this.#filed.values()) {
      for (const value of texts(record)) {
        yield* byValue.get(value) ?? [];
      }
    }
  }

  #file(group: Group): void {
    const handles = handlesOf(group.filter.root);
    if (!handles) {
      this.#unfiled.add(group);
      return;
    }
    for (const { field, values } of handles) {
      let shelf = this.#filed.get(field);
      if (!shelf) {
        shelf = { texts: textsAt(field), byValue: new Map() };
        this.#filed.set(field, shelf);
      }
      for (const value of values) {
        shelf.byValue.set(value, (shelf.byValue.get(value) ?? new Set()).add(group));
      }
    }
  }

  #unfile(group: Group): void {
    this.#unfiled.delete(group);
    for (const { field, values } of handlesOf(group.filter.root) ?? []) {
      const byValue = this.#filed.get(field)?.byValue;
      for (const value of values) {
        const groups = byValue?.get(value);
        groups?.delete(group);
        if (groups?.size === 0) {
          byValue?.delete(value);
        }
      }
      if (byValue?.size === 0) {
        this.#filed.delete(field);
      }
    }
  }
}

/**
 * Handles of which every match has one: of a member, who reads what is their own or targeted at
 * them, each of the fields that can say so.
 */
function handlesOf(node: FilterNode): readonly Handle[] | undefined {
  switch (node.op) {
    case 'in':
      return [node];
    case 'or': {
      const parts = node.nodes.map(handlesOf);
      return parts.every((part) => part !== undefined) ? parts.flat() : undefined;
    }
    case 'and':
      // The fewest values divide best.
      return node.nodes
        .map(handlesOf)
        .filter((handles) => handles !== undefined)
        .toSorted((a, b) => countOf(a) - countOf(b))[0];
    default:
      return undefined;
  }
}

function countOf(handles: readonly Handle[]): number {
  return handles.reduce((sum, { values }) => sum + values.length, 0);
}
