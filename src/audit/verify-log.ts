// Verifies a log against itself (the chain) and against what was signed and kept elsewhere (the anchors). The chain alone shows an edit or
// a hole; only anchors show an end that was cut off and a log that was written anew.

import type { TenantId } from '../core/tenant.ts'
import { type AuditRow, chainHash, chainStart } from './chain.ts'
import { type HeadKeys, judgeHead, type SignedHead } from './signed-head.ts'

/**
 * `edited`: an entry is not what its hash was made of. `time`: the column `at` is not what the entry says. `gap`: entries are missing, at
 * the beginning or in the middle. `order`: a position comes twice or too late. `truncated`: an anchor is beyond the log's end, so the end
 * was cut off or an older state was put back. `rewritten`: the entry at an anchor's position is another. The rest are about anchors.
 */
export type AuditFindingKind = 'edited' | 'time' | 'gap' | 'order' | 'truncated' | 'rewritten' | 'forged' | 'unknown-key' | 'foreign'

export interface AuditFinding {
  readonly kind: AuditFindingKind
  /** Where it shows. */
  readonly position: bigint
  readonly message: string
}

export interface AuditVerdict {
  /** No finding. What comes after the last anchor is held together by the chain alone: compare with `anchoredTo`. */
  readonly isSound: boolean
  readonly entries: number
  /** The last position; of an empty log what was pruned, or 0. */
  readonly head: bigint
  /** The furthest genuine anchor that the log agrees with; 0 for none. Beyond it whoever can write the table could have written it anew. */
  readonly anchoredTo: bigint
  /** At most {@link findingsMax}. */
  readonly findings: readonly AuditFinding[]
  readonly findingsLeftOut: number
}

export interface VerifyLogInput {
  readonly tenant: TenantId
  /** All entries in order of position, in batches: one is held at a time. */
  readonly batches: AsyncIterable<readonly AuditRow[]>
  /** From where the database's operator cannot write: heads, and what was pruned. */
  readonly anchors: readonly SignedHead[]
  readonly keys: HeadKeys
  /**
   * The first position that is read, when it is not the log's beginning: what comes before is not judged. An anchor at the position before it
   * holds what is read to it.
   */
  readonly from?: bigint | undefined
}

/** Most findings that are listed; more are counted. */
export const findingsMax = 100

/** Reads the whole log once. It does not throw for what it finds; only what the batches throw is passed on. */
export async function verifyLog(input: VerifyLogInput): Promise<AuditVerdict> {
  const found = new Findings()
  const anchors = genuineAnchors(input, found)
  const walk = new Walk(input, anchors, found)
  for await (const batch of input.batches) for (const row of batch) walk.take(row)
  walk.end()
  const { listed, leftOut } = found
  return {
    isSound: listed.length === 0,
    entries: walk.entries,
    head: walk.position,
    anchoredTo: walk.anchoredTo,
    findings: listed,
    findingsLeftOut: leftOut,
  }
}

class Findings {
  readonly listed: AuditFinding[] = []
  leftOut = 0

  add(kind: AuditFindingKind, position: bigint, message: string): void {
    if (this.listed.length < findingsMax) this.listed.push({ kind, position, message })
    else this.leftOut += 1
  }
}

function genuineAnchors({ tenant, anchors, keys }: VerifyLogInput, found: Findings): readonly SignedHead[] {
  return anchors.filter((anchor) => {
    const position = BigInt(anchor.position)
    const judged = judgeHead(anchor, keys)
    if (judged === 'forged') found.add('forged', position, `The anchor of ${anchor.at} was not signed by the key ${anchor.key}.`)
    if (judged === 'unknown-key')
      found.add('unknown-key', position, `The anchor of ${anchor.at} is signed by ${anchor.key}, a key not held.`)
    if (judged === 'genuine' && anchor.tenant !== tenant) found.add('foreign', position, `The anchor of ${anchor.at} is of another log.`)
    return judged === 'genuine' && anchor.tenant === tenant
  })
}

class Walk {
  entries = 0
  position = 0n
  anchoredTo = 0n
  readonly #anchors: Map<bigint, SignedHead[]>
  readonly #pruned: SignedHead | undefined
  readonly #found: Findings
  readonly #isWhole: boolean
  #previous: Buffer | undefined

  constructor({ tenant, from = 1n }: VerifyLogInput, anchors: readonly SignedHead[], found: Findings) {
    this.#found = found
    this.#isWhole = from <= 1n
    this.position = from - 1n
    this.#anchors = Map.groupBy(anchors, ({ position }) => BigInt(position))
    // Of what stands before a later position only an anchor knows; otherwise the anchor of the first row judges it.
    const before = this.#anchors.get(this.position)?.[0]
    this.#previous = this.#isWhole ? chainStart(tenant) : before && Buffer.from(before.hash, 'hex')
    const pruned = anchors.filter(({ kind }) => kind === 'pruned')
    this.#pruned = pruned.sort((a, b) => (BigInt(a.position) < BigInt(b.position) ? 1 : -1))[0]
  }

  take(row: AuditRow): void {
    if (this.entries === 0) this.#begin(row.position)
    this.entries += 1
    if (row.position <= this.position) {
      this.#found.add('order', row.position, `Position ${row.position} comes after ${this.position}.`)
      return
    }
    const follows = row.position === this.position + 1n
    if (!follows) this.#found.add('gap', row.position, `Entries ${this.position + 1n} to ${row.position - 1n} are missing.`)
    // After a hole the hash before it is not known; the entry still holds together what follows.
    else if (this.#previous !== undefined && !chainHash(this.#previous, row).equals(row.hash)) {
      this.#found.add('edited', row.position, `Entry ${row.position} is not what its hash was made of.`)
    }
    if (!saysItsTime(row)) this.#found.add('time', row.position, `Entry ${row.position} says another time than its column: ${row.at}.`)
    this.#compare(row.position, row.hash)
    this.position = row.position
    this.#previous = row.hash
  }

  end(): void {
    if (this.entries === 0 && this.#pruned !== undefined) {
      if (this.#isWhole) this.#startAfter(this.#pruned)
      // Pruning always leaves the last row.
      const { position } = this.#pruned
      this.#found.add('truncated', BigInt(position) + 1n, `Pruned up to position ${position}, which left entries after it; there are none.`)
    }
    const beyond = [...this.#anchors.keys()].filter((position) => position > this.position).sort((a, b) => (a < b ? -1 : 1))
    for (const position of beyond) {
      this.#found.add('truncated', position, `Signed at position ${position}; the log ends at ${this.position}.`)
    }
  }

  /** A log that begins later is sound when it was signed that what came before was pruned, up to there at least. */
  #begin(first: bigint): void {
    if (this.#isWhole && this.#pruned !== undefined && first > 1n && BigInt(this.#pruned.position) >= first - 1n) {
      // Pruning signs before it deletes: a killed one leaves entries that the checkpoint covers, and these have no known hash before them.
      if (BigInt(this.#pruned.position) === first - 1n) this.#startAfter(this.#pruned)
      else {
        this.position = first - 1n
        this.#previous = undefined
      }
    }
  }

  #startAfter(pruned: SignedHead): void {
    this.position = BigInt(pruned.position)
    this.#previous = Buffer.from(pruned.hash, 'hex')
  }

  #compare(position: bigint, hash: Buffer): void {
    for (const anchor of this.#anchors.get(position) ?? []) {
      if (anchor.hash === hash.toString('hex')) this.anchoredTo = position
      else this.#found.add('rewritten', position, `Entry ${position} is not the one that was signed at ${anchor.at}.`)
    }
  }
}

/** The column is not in the chain; the payload is. To the millisecond, which is what a Date holds. */
function saysItsTime({ at, payload }: AuditRow): boolean {
  try {
    return Date.parse((JSON.parse(payload) as { at: string }).at) === Date.parse(at)
  } catch {
    return false
  }
}
