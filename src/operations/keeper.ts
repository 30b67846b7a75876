// Keeps a fleet: what was left undone is gone on with, and the stock of places is full. Any number of keepers may run at once,
// since operations are claimed and the stock is filled under the catalog's lock.

import { InternalError, InvalidInputError, TenancyError } from '../errors.ts'
import type { Operations } from './operations.ts'
import type { Resumed, ResumeOptions } from './runner.ts'

/** Places that are to wait for new tenants. Servers are not made in advance: they are registered with the label `dedicated`. */
export interface StockTarget {
  readonly isolation: 'schema' | 'database'
  readonly region: string
  /** How many are to wait. 0 to 1,000. */
  readonly count: number
}

/** What one round of a keeper has done. */
export interface KeptRound {
  readonly resumed: readonly Resumed[]
  /** Places that were made. */
  readonly made: number
  /** Tenants that were backed up. */
  readonly backedUp: number
  /** What went wrong. It is tried again in the next round. */
  readonly errors: readonly TenancyError[]
}

export interface KeepOptions extends Pick<ResumeOptions, 'onProgress' | 'signal'> {
  /** Between two rounds: 100 to 3,600,000, default 10,000. */
  readonly everyMs?: number | undefined
  readonly stock?: readonly StockTarget[] | undefined
  /** Told after each round. */
  readonly onRound?: ((round: KeptRound) => void) | undefined
}

interface KeeperParts {
  readonly operations: Pick<Operations, 'resumeAll'>
  /** Makes places until as many wait. @returns how many were made. */
  fillStock(request: StockTarget & { readonly signal: AbortSignal }): Promise<number>
  /** Makes the backups that are due. @returns one for each tenant that was due. */
  readonly backUp?: ((signal: AbortSignal) => Promise<readonly { readonly error: TenancyError | undefined }[]>) | undefined
}

const everyMsDefault = 10_000
const everyMsMin = 100
const everyMsMax = 3_600_000

/** Works in rounds until the signal fires. A round that fails is told of, and is no end. @throws {InvalidInputError} */
export async function keep(parts: KeeperParts, options: KeepOptions & { readonly signal: AbortSignal }): Promise<void> {
  const { everyMs = everyMsDefault, onRound, signal } = options
  if (!Number.isInteger(everyMs) || everyMs < everyMsMin || everyMs > everyMsMax) {
    throw new InvalidInputError(`everyMs is ${everyMs}; it must be a whole number from ${everyMsMin} to ${everyMsMax}.`)
  }
  while (!signal.aborted) {
    onRound?.(await round(parts, options))
    await pause(everyMs, signal)
  }
}

async function round(parts: KeeperParts, options: KeepOptions & { readonly signal: AbortSignal }): Promise<KeptRound> {
  const { onProgress, signal, stock = [] } = options
  const errors: TenancyError[] = []
  const attempt = async <T>(work: () => Promise<T>, otherwise: T): Promise<T> => {
    try {
      return signal.aborted ? otherwise : await work()
    } catch (error) {
      // What nobody foresaw is told too: a keeper that ends is noticed later than one that complains.
      errors.push(error instanceof TenancyError ? error : new InternalError(`The keeper failed: ${String(error)}`, { cause: error }))
      return otherwise
    }
  }
  const resumed = await attempt(() => parts.operations.resumeAll({ onProgress, signal }), [])
  let made = 0
  for (const target of stock) made += await attempt(() => parts.fillStock({ ...target, signal }), 0)
  const due = (await attempt(async () => await parts.backUp?.(signal), undefined)) ?? []
  errors.push(...due.flatMap(({ error }) => error ?? []))
  return { resumed, made, backedUp: due.filter(({ error }) => error === undefined).length, errors }
}

/** A round of which nothing is known but that something went wrong beside it. */
export function failedRound(error: unknown): KeptRound {
  const told = error instanceof TenancyError ? error : new InternalError(`The keeper failed: ${String(error)}`, { cause: error })
  return { resumed: [], made: 0, backedUp: 0, errors: [told] }
}

/** The timer is the keeper's own: it ends with the signal. */
async function pause(ms: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return
  await new Promise<void>((resolve) => {
    const done = (): void => {
      clearTimeout(timer)
      signal.removeEventListener('abort', done)
      resolve()
    }
    const timer = setTimeout(done, ms)
    signal.addEventListener('abort', done)
  })
}
