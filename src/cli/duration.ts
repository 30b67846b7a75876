// `30d` on the command line.

import { ConfigurationError } from '../errors.ts'

const unitsMs = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const

/** Reads `30d`, `12h`, `90m`, `45s` or `500ms`. @returns milliseconds. @throws {ConfigurationError} */
export function durationMs(flag: string, text: string): number {
  const [, count, unit] = /^(0|[1-9][0-9]{0,8})(ms|[smhd])$/.exec(text) ?? []
  if (count === undefined || unit === undefined) throw new ConfigurationError(`${flag} ${text}: write 30d, 12h, 90m, 45s or 500ms.`)
  return Number(count) * unitsMs[unit as keyof typeof unitsMs]
}
