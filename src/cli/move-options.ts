// How a move is to go on: the flags that start, plan and rebalance share, and what they mean.

import type { MoveOptions } from '../core/move.ts'
import { ConfigurationError } from '../errors.ts'
import { durationMs } from './duration.ts'
import type { Flags } from './verb.ts'

export const moveOptionFlags = {
  soak: { kind: 'text', value: 'time', about: 'how long both places are kept in step after an automatic switch (default: 1h)' },
  fence: { kind: 'text', value: 'time', about: 'after this time a pause is given up, whoever died: 250ms to 60s (default: 2s)' },
  throttle: {
    kind: 'text',
    value: 'ratio',
    about: 'hold the copy back when the neighbours’ latency grows past this ratio, or off (default: 1.25)',
  },
} as const satisfies Flags

interface Given {
  readonly soak: string | undefined
  readonly fence: string | undefined
  readonly throttle: string | undefined
}

const [fenceMsMin, fenceMsMax] = [250, 60_000]

/** @throws {ConfigurationError} which says how it is written. */
export function moveOptions({ soak, fence, throttle }: Given): MoveOptions {
  const fenceMs = fence === undefined ? undefined : durationMs('--fence', fence)
  if (fenceMs !== undefined && !(fenceMs >= fenceMsMin && fenceMs <= fenceMsMax))
    throw new ConfigurationError(`--fence ${fence}: it may be 250ms to 60s.`)
  return {
    soakMs: soak === undefined ? undefined : durationMs('--soak', soak),
    fenceMs,
    throttleRatio: throttle === undefined ? undefined : ratioOf(throttle),
  }
}

function ratioOf(text: string): number {
  if (text === 'off') return 0
  const ratio = /^[0-9]{1,2}([.][0-9]{1,3})?$/.test(text) ? Number(text) : Number.NaN
  if (ratio > 1) return ratio
  throw new ConfigurationError(`--throttle ${text}: write a ratio above 1, e.g. 1.25, or off.`)
}
