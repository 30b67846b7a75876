// Compares what clients were told with what is there in the end.

import type { Operation } from './history.ts'

/** What is there of one tenant, where it is served. */
export interface Truth {
  /** How many rows there are, by `writer:seq`. */
  readonly entries: ReadonlyMap<string, number>
  readonly counters: ReadonlyMap<string, number>
  readonly registers: ReadonlyMap<string, number>
  /** By `writer:seq`: how often the parent is there, and how many children it has. */
  readonly families: ReadonlyMap<string, { readonly parents: number; readonly children: number }>
}

const toldMax = 20

/** @returns every way in which they contradict each other; none when all is well. */
export function contradictions(operations: readonly Operation[], truth: Truth): readonly string[] {
  const found = [
    ...rowsOnce(operations, truth),
    ...wholeFamilies(operations, truth),
    ...countersAddUp(operations, truth),
    ...registersHold(operations, truth),
    ...nothingStale(operations),
  ]
  return found.length <= toldMax ? found : [...found.slice(0, toldMax), `and ${found.length - toldMax} more`]
}

const keyOf = ({ writer, seq }: Operation): string => `${writer}:${seq}`

function* rowsOnce(operations: readonly Operation[], { entries }: Truth): Generator<string> {
  const inserts = operations.filter(({ kind }) => kind === 'insert')
  for (const operation of inserts) {
    const count = entries.get(keyOf(operation)) ?? 0
    if (count > 1) yield `the row ${keyOf(operation)} is there ${count} times`
    if (operation.outcome === 'acknowledged' && count === 0) yield `the row ${keyOf(operation)} was acknowledged and is lost`
    if (operation.outcome === 'failed' && count > 0) yield `the row ${keyOf(operation)} is there, and an error said that it was not`
  }
  const written = new Set(inserts.map(keyOf))
  for (const key of entries.keys()) if (!written.has(key)) yield `the row ${key} is there, and nobody wrote it`
}

function* wholeFamilies(operations: readonly Operation[], { families }: Truth): Generator<string> {
  for (const operation of operations.filter(({ kind }) => kind === 'family')) {
    const { parents, children } = families.get(keyOf(operation)) ?? { parents: 0, children: 0 }
    const isWhole = parents === 1 && children === operation.size
    if (operation.outcome === 'acknowledged' && !isWhole) {
      yield `the family ${keyOf(operation)} of ${operation.size} was acknowledged: ${parents} parents and ${children} children are there`
    } else if (operation.outcome === 'failed' && parents + children > 0) {
      yield `the family ${keyOf(operation)} is there, and an error said that it was not`
    } else if (!isWhole && parents + children > 0) {
      yield `of the family ${keyOf(operation)} only a part is there: ${parents} parents, ${children} of ${operation.size} children`
    }
  }
}

function* countersAddUp(operations: readonly Operation[], { counters }: Truth): Generator<string> {
  const writes = operations.filter(({ kind }) => kind === 'increment' || kind === 'family')
  for (const [name, value] of counters) {
    const mine = writes.filter(({ kind }) => (kind === 'family' ? name === 'families' : name === 'all'))
    const acknowledged = mine.filter(({ outcome }) => outcome === 'acknowledged').length
    const unknown = mine.filter(({ outcome }) => outcome === 'unknown').length
    if (value < acknowledged || value > acknowledged + unknown) {
      yield `the counter ${name} is ${value}; ${acknowledged} increments were acknowledged and ${unknown} are unknown`
    }
  }
}

/** Each register has one writer, who writes greater and greater values, one after the other. */
function* registersHold(operations: readonly Operation[], { registers }: Truth): Generator<string> {
  const updates = Map.groupBy(
    operations.filter(({ kind }) => kind === 'update'),
    ({ writer }) => writer,
  )
  for (const [writer, mine] of updates) {
    const value = registers.get(writer) ?? 0
    const last = Math.max(0, ...mine.filter(({ outcome }) => outcome === 'acknowledged').map(({ seq }) => seq))
    const written = mine.find(({ seq }) => seq === value)
    if (value < last) yield `the register of ${writer} is ${value}, and ${last} was acknowledged`
    else if (value !== 0 && written === undefined) yield `the register of ${writer} is ${value}, which nobody wrote`
    else if (written?.outcome === 'failed') yield `the register of ${writer} is ${value}, and an error said that it was not`
  }
}

/** A read that began after a write had been acknowledged, to whomever, sees it. */
function* nothingStale(operations: readonly Operation[]): Generator<string> {
  const reads = operations.filter(({ kind, seen }) => kind === 'read' && seen !== undefined)
  const updates = Map.groupBy(
    operations.filter(({ kind, outcome }) => kind === 'update' && outcome === 'acknowledged'),
    ({ writer }) => writer,
  )
  for (const [writer, mine] of updates) {
    const inOrder = mine.toSorted((a, b) => (a.endedAt! < b.endedAt! ? -1 : 1))
    for (const read of reads) {
      const before = inOrder.findLast(({ endedAt }) => endedAt! < read.begunAt)
      const value = read.seen![writer] ?? 0
      if (before !== undefined && value < before.seq) {
        yield `the read ${read.id} saw ${value} in the register of ${writer}, and ${before.seq} had been acknowledged ${(read.begunAt - before.endedAt!) / 1000n} µs before it began`
      }
    }
  }
  const increments = operations
    .filter(({ kind, outcome }) => kind === 'increment' && outcome === 'acknowledged')
    .map(({ endedAt }) => endedAt!)
    .toSorted((a, b) => (a < b ? -1 : 1))
  for (const read of reads) {
    const before = increments.findLastIndex((endedAt) => endedAt < read.begunAt) + 1
    const value = read.seen!['counter all'] ?? 0
    if (value < before)
      yield `the read ${read.id} saw ${value} in the counter, and ${before} increments had been acknowledged before it began`
  }
}
