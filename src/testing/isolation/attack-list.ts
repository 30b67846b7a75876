// Every attack that the kit knows, by what it tries and by what would let it through.

import type { AttackDoor } from './attack.ts'
import { httpAttacks } from './http/http-attacks.ts'
import { cacheProbe, type ResourceProbe } from './resource-attacks.ts'
import { sqlAttacks } from './sql-attacks.ts'

/** One attack. */
export interface ListedAttack {
  readonly id: string
  readonly door: AttackDoor
  readonly tries: string
  /** The change that must let it through: without one it would prove nothing. */
  readonly mutation: string
}

/** All of them, in the order in which they are tried. */
export function attackList(resources: readonly ResourceProbe[] = [cacheProbe]): readonly ListedAttack[] {
  const listed =
    (door: AttackDoor) =>
    ({
      id,
      tries,
      mutation,
    }: {
      readonly id: string
      readonly tries: string
      readonly mutation: { readonly what: string }
    }): ListedAttack => ({ id, door, tries, mutation: mutation.what })
  return [
    ...sqlAttacks.map(listed('SQL')),
    ...httpAttacks.map(listed('HTTP')),
    ...resources.flatMap(({ attacks }) => attacks.map(listed('resource'))),
  ]
}
