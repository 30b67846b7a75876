// onboard: a place, a catalog row, the wall, seeds, a first user; open at the very end. Until the step `activate` begins it can be
// undone, and then nothing of it is left: no place, no row, no tombstone.

import type { NewTenant } from '../core/catalog.ts'
import { checkedMask, toldRule } from '../core/mask.ts'
import { type Isolation, isolations, type Placement } from '../core/placement.ts'
import type { PlacedTenant } from '../core/placement-adapter.ts'
import { type Json, parseTenantId, parseTenantSlug, type Tenant, type TenantId } from '../core/tenant.ts'
import { checkedNewTenant } from '../core/tenant-input.ts'
import { ConfigurationError, InvalidInputError, TenancyError, TenantExistsError, TenantNotFoundError } from '../errors.ts'
import { setGate } from './gate-steps.ts'
import { fieldsOf, type OperationDefinition, type StepContext, type WorkStep } from './operation.ts'
import type { CopyWish } from './tenant-copier.ts'
import { existing, isolationOfPlan, placed, type Seed, type TenantAdmin, type TenantLife, textField } from './tenant-life.ts'

export interface OnboardInput {
  readonly id: TenantId
  readonly tenant: Omit<NewTenant, 'id' | 'placement' | 'status'>
  readonly isolation: Isolation
  /** A server by its name; without one the adapter chooses. */
  readonly server?: string | undefined
  /** Names of seeds; default: all that are configured. */
  readonly seeds?: readonly string[] | undefined
  readonly admin?: TenantAdmin | undefined
  /** Its rows are a copy of another tenant's. */
  readonly clone?: CloneInput | undefined
  /** Whose rows it starts with: what the filler knows them by. */
  readonly contents?: string | undefined
}

/** @see OnboardInput.clone */
export interface CloneInput extends CopyWish {
  readonly of: TenantId
}

type Step = WorkStep<OnboardInput>

export function onboard(life: TenantLife): OperationDefinition<OnboardInput> {
  return {
    kind: 'onboard',
    givesWayTo: [],
    undoesRefusals: true,
    parse: (input) => parsed(life, input),
    steps: (input) => [
      place(life, input),
      reserve(life, input),
      provision(life, input),
      ...copyRows(life, input),
      ...encryptionKey(life),
      ...hook(life, 'beforeOpen', 'before-open', 'Calls the hook beforeOpen.'),
      ...fill(life, input),
      openGate(life, input),
      ...seedsOf(life, input).map((seed) => plant(life, seed)),
      ...admin(life, input),
      activate(life),
      ...hook(life, 'onboarded', 'onboarded', 'Calls the hook onboarded.'),
    ],
    undo: (input) => [close(life), clear(life, input), discard(life)],
  }
}

function parsed(life: TenantLife, given: unknown): OnboardInput {
  const { id, tenant, isolation, server, seeds, admin: first, clone, contents } = fieldsOf(given, inputFields)
  const names = ['slug', 'name', 'plan', 'region', 'parentId', 'features', 'settings', 'domains', 'encryptionKeyId', 'keys']
  const fields = fieldsOf(tenant, names) as unknown as NewTenant
  // Checked as the catalog checks it, before anything is done; kept as it was given, since the catalog has the defaults.
  const { plan } = checkedNewTenant({ ...fields, slug: parseTenantSlug(fields.slug) })
  const kind = isolation ?? isolationOfPlan(life, plan)
  if (!isolations.includes(kind as Isolation)) throw new InvalidInputError(`isolation is none of ${isolations.join(', ')}.`)
  const planted = (life.seeds ?? []).map((seed) => seed.name)
  if (seeds !== undefined && !(Array.isArray(seeds) && seeds.every((name) => planted.includes(name)))) {
    throw new InvalidInputError(`seeds is not a list of ${planted.join(', ') || 'seeds: none are configured'}.`)
  }
  if (contents !== undefined && life.filler === undefined) {
    throw new ConfigurationError('A restore was asked for, and this installation has no store of backups.')
  }
  return {
    id: parseTenantId(id),
    tenant: fields,
    isolation: kind as Isolation,
    ...(server !== undefined && { server: textField('server', server) }),
    ...(seeds !== undefined && { seeds: seeds as readonly string[] }),
    ...(first !== undefined && { admin: parsedAdmin(first) }),
    ...(clone !== undefined && { clone: parsedClone(life, clone) }),
    ...(contents !== undefined && { contents: textField('contents', contents) }),
  }
}

const inputFields = ['id', 'tenant', 'isolation', 'server', 'seeds', 'admin', 'clone', 'contents']

function parsedClone(life: TenantLife, given: unknown): CloneInput {
  const { of, mask, allowsUnmasked } = fieldsOf(given, ['of', 'mask', 'allowsUnmasked'])
  if (life.copier === undefined) throw new ConfigurationError('A clone was asked for, and this installation copies no rows.')
  return { of: parseTenantId(of), mask: checkedMask(mask), allowsUnmasked: allowsUnmasked === true }
}

function parsedAdmin(given: unknown): TenantAdmin {
  const { email, name } = fieldsOf(given, ['email', 'name'])
  const address = textField('admin.email', email)
  if (!/^[^\s@]{1,64}@[^\s@]{1,255}$/.test(address)) throw new InvalidInputError('admin.email is not an address.')
  return { email: address, name: name === undefined ? address : textField('admin.name', name) }
}

/** A place that is made in milliseconds, and found again when it is made again, is not worth a write of its own. */
const isLight = ({ isolation }: OnboardInput): boolean => isolation === 'pooled' || isolation === 'schema'

function place(life: TenantLife, input: OnboardInput): Step {
  return {
    name: 'place',
    describe: `Chooses a place (${input.isolation}) in the region ${input.tenant.region ?? 'default'}, and reserves it.`,
    // A server may have to be made first; everything else is a row in the catalog.
    isLight: input.isolation !== 'server',
    run: async () => (await placeOf(life, input)) as unknown as Json,
  }
}

async function placeOf(life: TenantLife, { id, tenant, isolation, server }: OnboardInput): Promise<Placement> {
  const plan = tenant.plan ?? 'free'
  return await life.placements(isolation).place({ id, region: tenant.region ?? 'default' }, { server, labels: { plan } })
}

function reserve(life: TenantLife, input: OnboardInput): Step {
  const find = async (): Promise<Tenant | undefined> => await life.catalog.find({ kind: 'id', id: input.id })
  return {
    name: 'reserve',
    describe: `Reserves the slug ${input.tenant.slug} in the catalog, with the status onboarding.`,
    isLight: true,
    isDone: async () => (await find())?.status === 'onboarding',
    run: async ({ outputs }) => {
      const placement = outputs['place'] as unknown as Placement
      await life.catalog.create({ ...input.tenant, id: input.id, placement, status: 'onboarding' })
      return undefined
    },
  }
}

function provision(life: TenantLife, input: OnboardInput): Step {
  return {
    name: 'provision',
    describe: `Makes the place: ${input.isolation === 'pooled' ? 'nothing but its gate' : 'schema or database, login, tables at the current version, gate'}.`,
    isLight: isLight(input),
    run: async (context) => {
      await life.placements(input.isolation).provision(inItsPlace(input, context), context.signal)
      return undefined
    },
  }
}

/** Nobody is let in yet: the gate is as provisioning made it, suspended. */
function copyRows(life: TenantLife, input: OnboardInput): readonly Step[] {
  const { copier } = life
  const { clone } = input
  if (copier === undefined || clone === undefined) return []
  const masked = Object.entries(clone.mask).filter(([, rule]) => rule !== 'keep')
  const told = masked.map(([column, rule]) => `${column} (${toldRule(rule)})`).join(', ') || 'nothing'
  const run = async (context: StepContext<OnboardInput>): Promise<Json> => {
    const { signal, progress } = context
    const target = inItsPlace(input, context)
    // Killed between the copy's commit and the next write, the step runs again: what it brought goes first.
    await life.placements(input.isolation).empty(target, { signal, pauseMs: 0 })
    const source = placed(await existing(life, clone.of))
    return (await copier.copy(source, target, clone, { signal, onProgress: progress })) as unknown as Json
  }
  return [{ name: 'copy-rows', describe: `Copies the rows of ${clone.of} as of one moment. Under a mask: ${told}.`, run }]
}

function encryptionKey(life: TenantLife): readonly Step[] {
  const { encryptionKey: make } = life
  if (make === undefined) return []
  const run = async ({ tenantId }: StepContext<OnboardInput>): Promise<undefined> => {
    await life.catalog.update(tenantId, { encryptionKeyId: await make(placed(await existing(life, tenantId))) })
  }
  return [{ name: 'encryption-key', describe: 'Makes the tenant’s own encryption key.', run }]
}

function hook(life: TenantLife, which: 'beforeOpen' | 'onboarded', name: string, describe: string): readonly Step[] {
  if (life.hooks?.[which] === undefined) return []
  const run = async ({ tenantId }: StepContext<OnboardInput>): Promise<undefined> => {
    await life.hooks?.[which]?.(await existing(life, tenantId))
  }
  return [{ name, describe, run }]
}

/** The tenant as the first steps have made it: the catalog need not be asked. */
function inItsPlace(input: OnboardInput, { outputs, tenantId }: StepContext<OnboardInput>): PlacedTenant {
  const { region = 'default', keys = {} } = input.tenant
  return { id: tenantId, region, keys, placement: outputs['place'] as unknown as Placement }
}

/** The gate is closed still. What a run that was killed has left goes first: the rows are there once, or not at all. */
function fill(life: TenantLife, input: OnboardInput): readonly Step[] {
  const { filler } = life
  const { contents } = input
  if (filler === undefined || contents === undefined) return []
  const run = async (context: StepContext<OnboardInput>): Promise<Json> => {
    const { signal, progress } = context
    const tenant = inItsPlace(input, context)
    await life.placements(input.isolation).empty(tenant, { pauseMs: 0, signal })
    return { ...(await filler.fill(tenant, contents, { signal, onProgress: progress })) }
  }
  return [{ name: 'fill', describe: `Loads the rows of the backup ${contents}.`, run }]
}

/** Seeds need the gate. Nobody else comes in: the status is still onboarding. */
function openGate(life: TenantLife, input: OnboardInput): Step {
  return {
    name: 'open-gate',
    describe: 'Opens the tenant’s gate in its database. Its status still keeps requests out.',
    isLight: true,
    run: async (context) => {
      await life.placements(input.isolation).setGate(inItsPlace(input, context), 'open')
      return undefined
    },
  }
}

function seedsOf(life: TenantLife, input: OnboardInput): readonly Seed[] {
  if (life.runSeed === undefined) return []
  return (life.seeds ?? []).filter((seed) => input.seeds === undefined || input.seeds.includes(seed.name))
}

function plant(life: TenantLife, seed: Seed): Step {
  return {
    name: `seed-${seed.name}`,
    describe: `Plants the seed ${seed.name}, in the tenant’s own scope.`,
    run: async ({ tenantId }) => {
      const tenant = await existing(life, tenantId)
      await life.runSeed?.(tenant, async (scope) => {
        if ('run' in seed) await seed.run(scope, tenant)
        else for (const statement of seed.sql) await scope.query(statement)
      })
      return undefined
    },
  }
}

function admin(life: TenantLife, input: OnboardInput): readonly Step[] {
  const { adminKeys, hooks } = life
  if (input.admin === undefined || (adminKeys === undefined && hooks?.admin === undefined)) return []
  const first = input.admin
  const run = async ({ tenantId, operation, handOut }: StepContext<OnboardInput>): Promise<Json> => {
    // A key whose text was lost with its process opens nothing for anybody: it goes, and another is made.
    const name = `Onboarding ${operation.id}`
    await adminKeys?.revokeNamed(tenantId, name)
    const key = await adminKeys?.issue(tenantId, { name, scopes: ['admin'] })
    await hooks?.admin?.(await existing(life, tenantId), { ...first, apiKey: key?.text })
    if (key !== undefined) handOut('apiKey', key.text)
    return { apiKey: key?.prefix ?? null }
  }
  return [{ name: 'admin', describe: 'Makes the first user and an API key, whose text is given out once.', run }]
}

function activate(life: TenantLife): Step {
  return {
    name: 'activate',
    describe: 'Marks the tenant as active: from here on it is served, and off-boarding is the way out.',
    isFinal: true,
    run: async ({ tenantId }) => {
      await life.catalog.setStatus(tenantId, 'active')
      life.onTenantChanged?.(tenantId)
      return undefined
    },
  }
}

/** Nobody writes while it is taken down. */
function close(life: TenantLife): Step {
  return {
    name: 'undo-open-gate',
    describe: 'Closes the gate again.',
    run: async (context) => {
      const tenant = await ours(life, context)
      if (tenant === undefined || context.operation.steps['open-gate'] === undefined) return undefined
      try {
        await setGate(life, tenant, 'suspended')
      } catch (error) {
        // There never was one.
        if (!(error instanceof TenantNotFoundError)) throw error
      }
      return undefined
    },
  }
}

function clear(life: TenantLife, input: OnboardInput): Step {
  return {
    name: 'undo-place',
    describe: 'Removes the tenant’s rows and its place.',
    run: async (context) => {
      const tenant = await reservedPlace(life, input, context)
      if (tenant === undefined) return undefined
      const adapter = life.placements(input.isolation)
      await adapter.empty(tenant, { signal: context.signal })
      await adapter.drop(tenant, { signal: context.signal })
      return undefined
    },
  }
}

/** @returns undefined when no place was ever taken, or it is not this operation's. */
async function reservedPlace(
  life: TenantLife,
  input: OnboardInput,
  { outputs, tenantId }: StepContext<OnboardInput>,
): Promise<PlacedTenant | undefined> {
  // Somebody else's tenant has this id. It was there first, and the adapter has answered with its place: hands off.
  const tenant = await life.catalog.find({ kind: 'id', id: tenantId })
  if (tenant !== undefined && tenant.status !== 'onboarding') return undefined
  const { region = 'default', keys = {} } = input.tenant
  const known = outputs['place'] as unknown as Placement | undefined
  if (known !== undefined) return { id: tenantId, region, keys, placement: known }
  try {
    // It may have been reserved in the moment before the kill: asked again, the adapter answers the same.
    return { id: tenantId, region, keys, placement: await placeOf(life, input) }
  } catch (error) {
    if (error instanceof TenancyError && !error.retryable && error.status < 500) return undefined
    throw error
  }
}

function discard(life: TenantLife): Step {
  return {
    name: 'undo-reserve',
    describe: 'Removes the tenant from the catalog. Its id and slug are free again.',
    run: async (context) => {
      const tenant = await ours(life, context)
      if (tenant !== undefined) await life.catalog.discard(tenant.id)
      life.onTenantChanged?.(context.tenantId)
      return undefined
    },
  }
}

/** The row that this operation made, and nobody else's. */
async function ours(life: TenantLife, { tenantId }: StepContext<OnboardInput>): Promise<Tenant | undefined> {
  const tenant = await life.catalog.find({ kind: 'id', id: tenantId })
  return tenant?.status === 'onboarding' ? tenant : undefined
}

/** A name that is taken is told before anything is begun. Another may take it in between: the catalog has the last word. */
export async function assertFree(life: TenantLife, { id, tenant, contents }: OnboardInput): Promise<void> {
  const lookups = [
    { kind: 'id' as const, id },
    { kind: 'slug' as const, slug: tenant.slug },
  ]
  const found = await Promise.all(lookups.map(async (lookup) => await life.catalog.find(lookup)))
  const taken = lookups.find((_, index) => found[index] !== undefined)
  if (taken !== undefined) throw new TenantExistsError(`A tenant with this ${taken.kind} exists already.`)
  if (contents !== undefined) await life.filler?.check(contents)
}
