// The stage of attacks over HTTP: the routes, and for each a path and a body that are the victim's, one's own, and nobody's. A route
// that not even the victim gets an answer from with its own ids is not reached, and said so.

import { randomUUID } from 'node:crypto'
import type { TestTenant } from '../../test-tenancy.ts'
import type { IsolationStage } from '../stage.ts'
import type { KitAnswer, KitDoor, KitRequest } from './door.ts'
import type { Route } from './routes.ts'
import { sampleOf } from './sample.ts'

/** Headers by which a tenant's requests are known to be its own. */
export type Authenticate = (tenant: TestTenant) => Readonly<Record<string, string>> | Promise<Readonly<Record<string, string>>>

/** A route, and how to hit it. */
export interface HttpTarget {
  readonly route: Route
  /** `GET /documents/{id}`. */
  readonly name: string
  readonly hasId: boolean
  readonly victimPath: string
  readonly ownPath: string
  readonly nobodyPath: string
  /** The victim's id in the path; of a route without one, one of its ids. */
  readonly victimId: string
}

export class HttpStage {
  readonly stage: IsolationStage
  readonly door: KitDoor
  readonly targets: readonly HttpTarget[]
  readonly unreached: readonly { readonly what: string; readonly reason: string }[]
  readonly attacker: Readonly<Record<string, string>>
  readonly victim: Readonly<Record<string, string>>
  /** Of what chance makes. */
  readonly seed: number

  private constructor(parts: {
    readonly seed: number
    readonly stage: IsolationStage
    readonly door: KitDoor
    readonly targets: readonly HttpTarget[]
    readonly unreached: HttpStage['unreached']
    readonly attacker: Readonly<Record<string, string>>
    readonly victim: Readonly<Record<string, string>>
  }) {
    this.seed = parts.seed
    this.stage = parts.stage
    this.door = parts.door
    this.targets = parts.targets
    this.unreached = parts.unreached
    this.attacker = parts.attacker
    this.victim = parts.victim
  }

  static async set(
    stage: IsolationStage,
    options: { readonly door: KitDoor; readonly routes: readonly Route[]; readonly auth: Authenticate; readonly seed: number },
  ): Promise<HttpStage> {
    const { door, routes, auth, seed } = options
    const [attacker, victim] = [await auth(stage.attacker), await auth(stage.victim)]
    const targets: HttpTarget[] = []
    const unreached: { what: string; reason: string }[] = []
    for (const route of routes) {
      const found = await aim({ stage, door, route, victim })
      if (typeof found === 'string') unreached.push({ what: `${route.method} ${route.path}`, reason: found })
      else targets.push(found)
      if (await stage.hasChanged()) await stage.restore()
    }
    return new HttpStage({ seed, stage, door, targets, unreached, attacker, victim })
  }

  /** The same stage behind another door: where something is broken. */
  behind(door: KitDoor): HttpStage {
    return new HttpStage({ ...this, door })
  }

  async ask(
    request: Omit<KitRequest, 'headers'> & { readonly headers?: Readonly<Record<string, string>> | undefined },
  ): Promise<KitAnswer> {
    return await this.door({ ...request, headers: { ...this.attacker, ...request.headers } })
  }
}

interface Aim {
  readonly stage: IsolationStage
  readonly door: KitDoor
  readonly route: Route
  readonly victim: Readonly<Record<string, string>>
}

/** Finds ids of the victim's with which the victim itself is answered. */
async function aim({ stage, door, route, victim }: Aim): Promise<HttpTarget | string> {
  const name = `${route.method} ${route.path}`
  const parameters = [...route.path.matchAll(/\{(\w+)\}/g)].map(([, parameter = '']) => parameter)
  const body = route.method === 'GET' || route.method === 'DELETE' ? undefined : sampleOf(route.body, `sample-${randomUUID().slice(0, 8)}`)
  const filled = (ids: (parameter: string) => string): string =>
    route.path.replaceAll(/\{(\w+)\}/g, (_, parameter: string) => encodeURIComponent(ids(parameter)))
  let last = 'no table has rows of the victim'
  for (const candidate of candidates(stage, route.path)) {
    const path = filled(() => candidate.victim)
    const answer = await door({ method: route.method, path, headers: victim, body })
    last = `the victim itself is answered ${answer.status} there, with its own ids`
    if (answer.status < 200 || answer.status >= 300) continue
    return {
      route,
      name,
      hasId: parameters.length > 0,
      victimPath: path,
      ownPath: filled(() => candidate.own),
      nobodyPath: filled(() => randomUUID()),
      victimId: candidate.victim,
    }
  }
  return last
}

/** Keys of rows, those of the table that the path names first. */
function candidates(stage: IsolationStage, path: string): readonly { readonly victim: string; readonly own: string }[] {
  const words = path.toLowerCase().split(/[^a-z0-9]+/)
  const isNamed = (table: string): boolean =>
    words.some((word) => word !== '' && (word === table || `${word}s` === table || word === `${table}s`))
  return stage.targets
    .filter(({ table }) => table.status !== 'global')
    .flatMap(({ table, victimRow, ownRow, telling }) => {
      if (telling === undefined) return []
      return [{ named: isNamed(table.name), victim: String(victimRow[telling.name]), own: String(ownRow[telling.name]) }]
    })
    .sort((a, b) => Number(b.named) - Number(a.named))
}
