// Which partywall this is, as its package says.

import { readFileSync } from 'node:fs'

/** E.g. `0.1.0`. */
export function partywallVersion(): string {
  const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as { readonly version: string }
  return version
}
