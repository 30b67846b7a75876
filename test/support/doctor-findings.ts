// Findings and events of the doctor for tests of what is made of them.

import type { CheckFacts, DoctorEvent } from '../../src/core/doctor-event.ts'
import { type DoctorFinding, findingKey } from '../../src/core/doctor-finding.ts'

export const checkFacts: CheckFacts = {
  stem: 'open-door',
  level: 'error',
  title: 'A door is open',
  gain: 'Everything behind it.',
  scope: 'database',
}

const at = { server: 'main', database: 'main' }

/** A finding of `open-door` in main/main. */
export function finding(over: Partial<DoctorFinding> = {}): DoctorFinding {
  const { object = 'app.notes' } = over
  return {
    check: 'open-door',
    level: 'error',
    at,
    object,
    problem: 'The door is open.',
    gain: 'Everything behind it.',
    fix: 'revoke all on app.notes from public;',
    fixAs: 'owner',
    isFixSafe: true,
    key: findingKey('open-door', over.at ?? at, object),
    ...over,
  }
}

/** A look at main/main that found this. */
export async function* lookThatFound(
  findings: readonly DoctorFinding[],
  more: readonly DoctorEvent[] = [],
): AsyncGenerator<DoctorEvent, void> {
  yield { kind: 'begin', checks: [checkFacts] }
  for (const each of findings) yield { kind: 'finding', finding: each }
  yield { kind: 'looked', at: { server: 'main', database: null } }
  yield { kind: 'looked', at }
  yield* more
}
