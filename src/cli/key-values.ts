// `name=json` on the command line.

import type { Json } from '../core/tenant.ts'
import { ConfigurationError } from '../errors.ts'

/**
 * Reads `seats=20`, `sso=true`, `theme="dark"`: what stands behind the sign is JSON, so that nothing is guessed.
 *
 * @throws {ConfigurationError} which says how it is written.
 */
export function keyValues(flag: string, given: readonly string[]): Readonly<Record<string, Json>> {
  const pairs = given.map((text): readonly [string, Json] => {
    const at = text.indexOf('=')
    if (at < 1) throw new ConfigurationError(`${flag} ${text}: write name=value, e.g. seats=20.`)
    return [text.slice(0, at), json(flag, text.slice(0, at), text.slice(at + 1))]
  })
  const twice = pairs.find(([name], at) => pairs.findIndex(([other]) => other === name) !== at)
  if (twice !== undefined) throw new ConfigurationError(`${flag} names ${twice[0]} twice.`)
  return Object.fromEntries(pairs)
}

function json(flag: string, name: string, text: string): Json {
  try {
    return JSON.parse(text) as Json
  } catch (cause) {
    throw new ConfigurationError(`${flag} ${name}: ${JSON.stringify(text)} is not JSON. Write 20, true, or '"a text"' in quotes.`, {
      cause,
    })
  }
}
