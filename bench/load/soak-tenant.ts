// A tenant of the soak, and what its clients may expect at this moment.
//
//   active ──suspend() called──► changing ──suspend() resolved──► suspended ──resume() called──► changing ──served again──► active
//
// A request that begins and ends in `suspended`, without a change between, must be 403. One that begins and ends in `active`
// must be served. While it changes, both are right.

import type { Tenant } from '../../src/core/tenant.ts'

export type Expectation = 'served' | 'refused' | 'either'

export class SoakTenant {
  readonly tenant: Tenant
  readonly apiKey: string
  readonly apiKeyPrefix: string
  /** Every text of this tenant carries it, and no text of another's. */
  readonly mark: string
  /** A document of this tenant's, for others to ask for. */
  lastDocumentId: string | undefined
  #state: 'active' | 'changing' | 'suspended' = 'active'
  #changes = 0

  constructor(parts: { readonly tenant: Tenant; readonly apiKey: string; readonly apiKeyPrefix: string; readonly mark: string }) {
    this.tenant = parts.tenant
    this.apiKey = parts.apiKey
    this.apiKeyPrefix = parts.apiKeyPrefix
    this.mark = parts.mark
  }

  become(state: 'active' | 'changing' | 'suspended'): void {
    this.#state = state
    this.#changes += 1
  }

  /** Call it before a request; what it returns, after the answer. */
  expect(): () => Expectation {
    const [state, changes] = [this.#state, this.#changes]
    return () => {
      if (changes !== this.#changes || state === 'changing') return 'either'
      return state === 'active' ? 'served' : 'refused'
    }
  }
}
