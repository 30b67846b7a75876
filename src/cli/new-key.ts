// A new API key, said once.

import type { ApiKey } from '../core/api-keys.ts'
import type { Invocation } from './verb.ts'

interface IssuedKey {
  readonly key: ApiKey
  /** The key itself. It is stored nowhere. */
  readonly text: string
}

/** The key stands alone on standard output, so that a script can keep it. */
export function tellKey({ key, text }: IssuedKey, { output, terminal }: Pick<Invocation, 'output' | 'terminal'>): void {
  terminal.note(`${key.name} (prefix ${key.prefix}), good until ${key.expiresAt?.toISOString() ?? 'it is revoked'}. It is shown this once:`)
  output.value(text, { ...key, text })
}
