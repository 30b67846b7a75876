// expectIsolated(): everything that is found is attacked, and the report says what held, what did not, and what could not be tried.

import { InvalidInputError } from '../../errors.ts'
import type { TestTenancy } from '../test-tenancy.ts'
import { type KitApp, openKitDoor } from './http/door.ts'
import { tryHttp } from './http/http-attack.ts'
import { httpAttacks } from './http/http-attacks.ts'
import { type Authenticate, HttpStage } from './http/http-stage.ts'
import { type OpenApi, ownRoutes, routesOf } from './http/routes.ts'
import { type Proof, proofOf, type Tried } from './prove.ts'
import { type AttackResult, IsolationReport, type Unreached } from './report.ts'
import { cacheProbe, type ResourceAttack, type ResourceProbe } from './resource-attacks.ts'
import type { Seeds } from './seed.ts'
import { placesOf, sqlAttacks, tryAttack } from './sql-attacks.ts'
import { IsolationStage } from './stage.ts'

export interface IsolationOptions {
  /** The application, working on `kit.tenancy`: a Fastify instance, `{ fetch }`, a handler of fetch's kind, or where it serves. */
  readonly app?: KitApp | undefined
  /** Its OpenAPI document, or lines like `GET /documents/:id`. Default: the framework's own table, where it has one. */
  readonly routes?: OpenApi | readonly string[] | undefined
  /** Headers by which the application knows a tenant's requests. Needed with `app`. */
  readonly auth?: Authenticate | undefined
  /** Resources beside the database. Default: the tenancy's cache. */
  readonly resources?: readonly ResourceProbe[] | undefined
  /** Rows of tables for which nobody can guess any, by the table's name. */
  readonly seeds?: Seeds | undefined
  /** Of what chance makes: the same seed tries the same. Default 1. */
  readonly seed?: number | undefined
  /** Attacks whose id begins with one of these. Default: all. */
  readonly only?: readonly string[] | undefined
  /** Called after every attempt. */
  readonly onResult?: ((result: AttackResult) => void) | undefined
}

/**
 * Attacks everything that the kit finds, as one tenant against another, and tells.
 *
 * @throws {WallBreachedError} with every breach, when there is one.
 * @throws {InvalidInputError} when the options contradict each other, or there is nothing to attack.
 *
 * @example
 * ```ts
 * await using kit = await testTenancy({ migrations: 'migrations' })
 * const app = await createApp({ tenancy: kit.tenancy })
 * const report = await expectIsolated(kit, { app, auth: async (tenant) => ({ authorization: `Bearer ${await tokenFor(tenant)}` }) })
 * console.log(String(report))
 * ```
 */
export async function expectIsolated(kit: TestTenancy, options: IsolationOptions = {}): Promise<IsolationReport> {
  const report = await checkIsolation(kit, options)
  report.assertHeld()
  return report
}

/** The same, without throwing for a breach. */
export async function checkIsolation(kit: TestTenancy, options: IsolationOptions = {}): Promise<IsolationReport> {
  const stage = await IsolationStage.set(kit, options)
  try {
    const results: AttackResult[] = []
    const told = (result: AttackResult): void => {
      results.push(result)
      options.onResult?.(result)
    }
    const http = await openHttp(stage, options)
    if (stage.targets.every(({ table }) => table.status !== 'protected') && http.stage === undefined)
      throw new InvalidInputError('There is no table behind the wall that rows could be put into, and no app: nothing can be attacked.')
    for (const attack of sqlAttacks.filter(wanted(options))) {
      for (const place of placesOf(attack, stage)) told(await tryAttack(attack, stage, place))
    }
    for (const attack of httpAttacks.filter(wanted(options))) {
      for (const target of http.stage?.targets.filter(attack.on) ?? []) told(await tryHttp(attack, http.stage as HttpStage, target))
    }
    const resources = options.resources ?? [cacheProbe]
    for (const { name, attacks } of resources) {
      for (const attack of attacks.filter(wanted(options))) told(await tryResource(name, attack, stage))
    }
    return new IsolationReport({ results, found: foundOn(stage, http, resources), unreached: [...blind(stage), ...http.unreached] })
  } finally {
    await stage.strike()
  }
}

/**
 * Proves the attacks over HTTP and on resources: each again, behind a door that is broken in its own way. For those in SQL see `proveSql`.
 *
 * @throws what {@link checkIsolation} throws.
 */
export async function proveDoors(
  kit: TestTenancy,
  options: IsolationOptions & { readonly onProof?: ((proof: Proof) => void) | undefined },
): Promise<readonly Proof[]> {
  const stage = await IsolationStage.set(kit, options)
  const proofs: Proof[] = []
  const told = (proof: Proof): void => {
    proofs.push(proof)
    options.onProof?.(proof)
  }
  try {
    const http = await openHttp(stage, options)
    for (const attack of http.stage === undefined ? [] : httpAttacks.filter(wanted(options))) {
      const tries: Tried[] = []
      let got: string | undefined
      for (const target of (http.stage as HttpStage).targets.filter(attack.on)) {
        // A door may remember; each place has one of its own.
        const result = await tryHttp(attack, (http.stage as HttpStage).behind(attack.mutation.door(http.stage as HttpStage)), target)
        if (result.outcome === 'breached') got = `${result.on}: ${result.detail}`
        else tries.push(result)
        if (got !== undefined) break
      }
      told(proofOf({ attack, mutation: attack.mutation, got, tries }))
    }
    for (const { attacks } of options.resources ?? [cacheProbe]) {
      for (const { id, tries, mutation } of attacks.filter(wanted(options))) {
        const verdict = await mutation.run({ kit, attacker: stage.attacker, victim: stage.victim })
        const outcome = verdict.outcome === 'breached' ? 'red' : 'defect'
        told({ attack: id, tries, mutation: mutation.what, outcome, detail: 'detail' in verdict ? verdict.detail : verdict.outcome })
      }
    }
    return proofs
  } finally {
    await stage.strike()
  }
}

function wanted({ only }: IsolationOptions): (attack: { readonly id: string }) => boolean {
  return ({ id }) => only === undefined || only.some((start) => id.startsWith(start))
}

async function openHttp(
  stage: IsolationStage,
  { app, routes, auth, seed = 1 }: IsolationOptions,
): Promise<{ readonly stage: HttpStage | undefined; readonly unreached: readonly Unreached[] }> {
  if (app === undefined) return { stage: undefined, unreached: [{ what: 'HTTP', reason: 'no app was given' }] }
  if (auth === undefined) throw new InvalidInputError('An app needs auth: the headers by which it knows a tenant’s requests.')
  const door = await openKitDoor(app)
  const known = routes === undefined ? ownRoutes(app) : routesOf(routes)
  if (known === undefined || known.length === 0)
    return { stage: undefined, unreached: [{ what: 'HTTP', reason: 'no routes are known: give an OpenAPI document or a list' }] }
  const http = await HttpStage.set(stage, { door, routes: known, auth, seed })
  return { stage: http, unreached: http.unreached }
}

async function tryResource(name: string, attack: ResourceAttack, { kit, attacker, victim }: IsolationStage): Promise<AttackResult> {
  const verdict = await attack
    .run({ kit, attacker, victim })
    .catch((error: Error) => ({ outcome: 'unreached' as const, detail: `it failed by itself: ${error.message}` }))
  return {
    attack: attack.id,
    door: 'resource',
    tries: attack.tries,
    on: name,
    outcome: verdict.outcome,
    detail: 'detail' in verdict ? verdict.detail : '',
  }
}

/** What was found and could not be filled: an empty table proves nothing. */
function blind({ unseeded, survey }: IsolationStage): readonly Unreached[] {
  return [
    ...unseeded.map(({ table, reason }) => ({
      what: table.sql,
      reason: `no row could be made: ${reason}. Give a seed for ${table.name}.`,
    })),
    ...survey.objects
      .filter(({ kind, argumentsMin }) => kind === 'function' && argumentsMin > 0)
      .map(({ sql, argumentsMin }) => ({ what: sql, reason: `a function that wants ${argumentsMin} arguments` })),
  ]
}

function foundOn(stage: IsolationStage, http: { readonly stage: HttpStage | undefined }, resources: readonly ResourceProbe[]) {
  return {
    tables: stage.survey.tables.map(({ sql, status }) => ({ name: sql, status })),
    objects: stage.survey.objects.map(({ kind, sql }) => `${kind} ${sql}`),
    routes: (http.stage?.targets ?? []).map(({ name }) => name),
    resources: resources.map(({ name }) => name),
  }
}
