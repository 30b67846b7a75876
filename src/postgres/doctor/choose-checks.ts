// Which checks are meant.

import { ConfigurationError } from '../../errors.ts'
import { allChecks } from './all-checks.ts'
import type { DoctorCheck } from './check.ts'

/** The checks of these stems, in their own order; all of them when none is named. @throws {ConfigurationError} for one that there is not. */
export function chooseChecks(stems: readonly string[] = []): readonly DoctorCheck[] {
  const unknown = stems.find((stem) => allChecks.every((check) => check.stem !== stem))
  if (unknown !== undefined) {
    throw new ConfigurationError(`There is no check ${JSON.stringify(unknown)}. partywall doctor --list names all of them.`)
  }
  return stems.length === 0 ? allChecks : allChecks.filter(({ stem }) => stems.includes(stem))
}
