// What a check before a move is. Each is one file in preflight/, with a test and a section of docs/reference/move-preflight.md under
// the same name.

import type { MoveFindingLevel, MoveFindingPlace } from '../../core/move-finding.ts'
import type { MovePlace, MoveSurvey } from './survey.ts'

/** What a check says; the rest is known. Its level, unless it is the check's own. */
export interface Said {
  readonly level?: MoveFindingLevel | null | undefined
  readonly object: string
  readonly problem: string
  readonly fix?: string | null | undefined
}

export type SaidAt = Said & { readonly at: MoveFindingPlace | null }

export interface MoveCheck {
  readonly rule: string
  /** The worst that it says. */
  readonly level: MoveFindingLevel
  check(survey: MoveSurvey): Promise<readonly SaidAt[]>
}

type Answer = readonly Said[] | Promise<readonly Said[]>

/** Asks each of the two places that is there already: one that is made for the move is made right. */
export async function inEachPlace({ source, target }: MoveSurvey, ask: (place: MovePlace) => Answer): Promise<readonly SaidAt[]> {
  const places = [source, target].filter(({ isMade }) => isMade)
  const answers = await Promise.all(places.map(async (place) => (await ask(place)).map((said) => ({ ...said, at: inDatabase(place) }))))
  return answers.flat()
}

/** Asks each server once, also when both places are on the same one. */
export async function onEachServer(
  survey: MoveSurvey,
  ask: (place: MovePlace & { readonly server: NonNullable<MovePlace['server']> }, isBoth: boolean) => Answer,
): Promise<readonly SaidAt[]> {
  const { source, target } = survey
  const isBoth = source.server !== undefined && source.server.identifier === target.server?.identifier
  const places = isBoth ? [source] : [source, target]
  const answers = await Promise.all(
    places.map(async (place) => {
      const { server } = place
      if (server === undefined) return []
      return (await ask({ ...place, server }, isBoth)).map((said) => ({ ...said, at: onServer(place) }))
    }),
  )
  return answers.flat()
}

export function inDatabase({ side, placement, databaseName }: MovePlace): MoveFindingPlace {
  return { side, server: placement.server, database: databaseName ?? null, as: 'owner' }
}

export function onServer({ side, placement }: MovePlace): MoveFindingPlace {
  return { side, server: placement.server, database: null, as: 'administrator' }
}
