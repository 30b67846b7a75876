// What the doctor tells while it looks, place by place. Nothing of it is kept: whoever wants the whole collects it.

import type { DoctorFinding, DoctorLevel, DoctorPlace } from './doctor-finding.ts'

export type DoctorEvent =
  | { readonly kind: 'begin'; readonly checks: readonly CheckFacts[] }
  | { readonly kind: 'finding'; readonly finding: DoctorFinding }
  | { readonly kind: 'unseen'; readonly unseen: Unseen }
  /** All checks of the place have been run. A place without a database is a server as a whole. */
  | { readonly kind: 'looked'; readonly at: DoctorPlace }

/** What the doctor has not seen. */
export interface Unseen {
  /**
   * `gap`: it should have been looked at and was not, as a database that cannot be reached: without it there is no verdict.
   * `limit`: what this doctor cannot know here, as a setting that is not shown to it.
   */
  readonly kind: 'gap' | 'limit'
  readonly at: DoctorPlace
  readonly what: string
  readonly why: string
}

/** A check, as far as it concerns who reads its findings. */
export interface CheckFacts {
  /** Its name, and that of its page in docs/reference/doctor. */
  readonly stem: string
  readonly level: DoctorLevel
  readonly title: string
  readonly gain: string
  /** `server`: once a server. `database`: in each database that holds tenants. `catalog`: in the catalog's database alone. */
  readonly scope: 'server' | 'database' | 'catalog'
  /** The day up to which it knows what it must know of the world, as `2026-11-12`. Undefined for most, which need to know nothing. */
  readonly asOf?: string | undefined
}
