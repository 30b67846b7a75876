// Findings of the doctor that no check makes: they are about itself, its baseline, and whole places. Each has a page as a check has.

import type { CheckFacts } from './doctor-event.ts'

export const checkFailed: CheckFacts = {
  stem: 'check-failed',
  level: 'error',
  title: 'A check could not be made',
  gain: 'What the check would have found is not known, and is there for whoever looks for it.',
  scope: 'database',
}

export const placementDrift: CheckFacts = {
  stem: 'placement-drift',
  level: 'error',
  title: 'A tenant’s place is not what the catalog says',
  gain: 'A place that differs from what was promised has walls that nobody looks at: another’s login, another region, a gate that is missing.',
  scope: 'database',
}

export const brokenSilence: CheckFacts = {
  stem: 'silence',
  level: 'warning',
  title: 'A silence in the baseline does not hold',
  gain: 'What nobody has to decide again stays silent for ever, and the next finding of that name with it.',
  scope: 'catalog',
}

export const ownRules: readonly CheckFacts[] = [checkFailed, placementDrift, brokenSilence]
