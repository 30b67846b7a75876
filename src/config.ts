// partywall.config.ts: what the command line knows of an application. The service itself takes its options where it is made.

import type { BackupSettings } from './backup/fleet-backups.ts'
import { checkedRetention } from './backup/retention.ts'
import { checkedSchedule } from './backup/schedule.ts'
import { type Plan, Plans } from './core/plans.ts'
import type { SecretStore } from './core/secret-store.ts'
import { ConfigurationError } from './errors.ts'
import type { FleetOptions } from './fleet.ts'
import type { AuditSettings } from './fleet-audit.ts'
import type { StockTarget } from './operations/keeper.ts'
import { checkedBudget, checkedRings, type ErrorBudget, type Ring } from './postgres/rollout/ring.ts'

/** The content of `partywall.config.ts`. */
export interface PartywallConfig {
  /** Directory of numbered SQL files, from the folder of the configuration. Default `migrations`. */
  readonly migrations?: string | undefined
  /** How migrations go over the fleet. */
  readonly rollout?: RolloutConfig | undefined
  /** By the plan's name. */
  readonly plans?: Readonly<Record<string, Plan>> | undefined
  /** Where passwords and keys are kept. Default: files in PARTYWALL_SECRETS_DIR, or else the environment. */
  readonly secrets?: SecretStore | undefined
  /** Where backups of tenants are kept, how often they are made and how long they stay. Default: files in PARTYWALL_BACKUPS_DIR. */
  readonly backups?: BackupSettings | undefined
  /** Where heads of the tenants' audit logs are kept, and how often. Default: in PARTYWALL_ANCHORS_DIR, or else beside the backups. */
  readonly audit?: AuditSettings | undefined
  /** What every new tenant starts with. */
  readonly seeds?: FleetOptions['seeds']
  /** The application's own part in a tenant's life. */
  readonly hooks?: FleetOptions['hooks']
  /** Masks of the application's own, which the rules of a clone call by their names. */
  readonly masks?: FleetOptions['masks']
  /** What else holds something of a tenant, and is purged with it. */
  readonly stores?: FleetOptions['stores']
  /** Makes servers for tenants who want one of their own. Default: those that are registered with the label `dedicated`. */
  readonly provisioner?: FleetOptions['provisioner']
  /** Places that are to wait for new tenants: `partywall stock fill` and `partywall operation watch` make them. */
  readonly stock?: readonly StockTarget[] | undefined
}

/** How migrations go over the fleet. */
export interface RolloutConfig {
  /** Who is migrated before whom. Default: all at once. */
  readonly rings?: readonly Ring[] | undefined
  /** How many places may fail before it halts. Default `{ failuresMax: 10 }`. */
  readonly budget?: ErrorBudget | undefined
  /** Batches at a time. Default 4. */
  readonly concurrency?: number | undefined
}

/**
 * Gives a configuration its type. The command line checks it when it loads the file.
 *
 * @example
 * ```ts
 * import { defineConfig } from 'partywall'
 * import { fileSecrets } from 'partywall/secrets'
 *
 * export default defineConfig({
 *   migrations: 'migrations',
 *   secrets: fileSecrets({ directory: '/etc/app/secrets' }),
 *   plans: { team: { weight: 2 }, enterprise: { weight: 4, placement: 'database', features: { sso: true } } },
 * })
 * ```
 */
export function defineConfig(config: PartywallConfig): PartywallConfig {
  return config
}

type Check = (value: unknown, path: string) => void

/** A key that the type has and these have not does not compile, and the other way round. */
const configChecks = {
  migrations: checkText,
  rollout: checkRollout,
  plans: checkPlans,
  secrets: having('get', 'put', 'delete', 'list'),
  backups: (value, path) => checkKeys(value, path, backupChecks, ['store']),
  seeds: checkSeeds,
  hooks: (value, path) => checkKeys(value, path, hookChecks),
  masks: (value, path) => {
    checkObject(value, path)
    for (const [name, mask] of Object.entries(value as object)) checkFunction(mask, `${path}.${name}`)
  },
  audit: (value, path) => checkKeys(value, path, auditChecks),
  stores: listOf(having('plan', 'purge', 'verify')),
  provisioner: checkFunction,
  stock: listOf((value, path) => checkKeys(value, path, stockChecks, Object.keys(stockChecks))),
} satisfies Record<keyof PartywallConfig, Check>
const backupChecks = {
  store: having('put', 'get', 'head', 'delete', 'list'),
  schedule: (value, path) => void checkedSchedule(value, path),
  retention: (value, path) => void checkedRetention(value, path),
} satisfies Record<keyof BackupSettings, Check>
const auditChecks = { anchors: having('put', 'list'), anchorEveryMs: checkInterval } satisfies Record<keyof AuditSettings, Check>
const hookChecks = { beforeOpen: checkFunction, admin: checkFunction, onboarded: checkFunction } satisfies Record<
  keyof NonNullable<FleetOptions['hooks']>,
  Check
>
/** The count is judged by the stock itself. */
const stockChecks = { isolation: checkStockIsolation, region: checkText, count: () => {} } satisfies Record<keyof StockTarget, Check>
/** Weights and placements are judged by the plans themselves. */
const planChecks = { weight: () => {}, placement: () => {}, features: checkObject } satisfies Record<keyof Plan, Check>

/**
 * Reads what a configuration file exports.
 *
 * @throws {ConfigurationError} which names the key that is unknown or has a wrong value.
 */
export function readConfig(value: unknown, file: string): PartywallConfig {
  checkKeys(value, file, configChecks)
  return value as PartywallConfig
}

function checkKeys(value: unknown, path: string, checks: Readonly<Record<string, Check>>, required: readonly string[] = []): void {
  checkObject(value, path)
  const missing = required.find((key) => (value as Record<string, unknown>)[key] === undefined)
  if (missing !== undefined) throw new ConfigurationError(`${path} has no ${missing}.`)
  for (const [key, given] of Object.entries(value as object)) {
    const check = Object.hasOwn(checks, key) ? checks[key] : undefined
    if (check === undefined) {
      throw new ConfigurationError(`${path}: there is no ${JSON.stringify(key)}. It may have ${Object.keys(checks).join(', ')}.`)
    }
    if (given !== undefined) check(given, `${path}: ${key}`)
  }
}

function checkPlans(value: unknown, path: string): void {
  checkObject(value, path)
  for (const [name, plan] of Object.entries(value as object)) checkKeys(plan, `${path}.${name}`, planChecks)
  new Plans(value as Readonly<Record<string, Plan>>)
}

function checkSeeds(value: unknown, path: string): void {
  listOf((seed, at) => {
    checkObject(seed, at)
    const { name, run, sql } = seed as Readonly<Record<string, unknown>>
    if (typeof name !== 'string' || !/^[a-z0-9]+(-[a-z0-9]+)*$/.test(name)) {
      throw new ConfigurationError(`${at}.name must be a word of lower-case letters, digits and dashes.`)
    }
    const isSql = Array.isArray(sql) && sql.every((statement) => typeof statement === 'string')
    if ((typeof run === 'function') === isSql) throw new ConfigurationError(`${at} must have either sql, a list of statements, or run.`)
  })(value, path)
}

function checkStockIsolation(value: unknown, path: string): void {
  if (value === 'schema' || value === 'database') return
  throw new ConfigurationError(`${path} is ${JSON.stringify(value)}; it may be schema or database: only those are made in advance.`)
}

function having(...methods: readonly string[]): Check {
  return (value, path) => {
    const missing = methods.filter((name) => typeof (value as Readonly<Record<string, unknown>> | null)?.[name] !== 'function')
    if (missing.length > 0)
      throw new ConfigurationError(`${path} must be an object with ${methods.join(', ')}; ${missing.join(', ')} is missing.`)
  }
}

function listOf(check: Check): Check {
  return (value, path) => {
    if (!Array.isArray(value)) throw new ConfigurationError(`${path} must be a list.`)
    for (const [at, item] of value.entries()) check(item, `${path}[${at}]`)
  }
}

function checkFunction(value: unknown, path: string): void {
  if (typeof value !== 'function') throw new ConfigurationError(`${path} must be a function.`)
}

/** Rings and budgets are judged where they are used. */
const rolloutChecks = {
  rings: (value) => checkedRings(value as readonly Ring[]),
  budget: (value, path) => {
    checkObject(value, path)
    checkedBudget(value as ErrorBudget)
  },
  concurrency: (value, path) => {
    if (!(Number.isInteger(value) && (value as number) >= 1 && (value as number) <= 32)) {
      throw new ConfigurationError(`${path} must be a whole number, 1 to 32.`)
    }
  },
} satisfies Record<keyof RolloutConfig, Check>

function checkRollout(value: unknown, path: string): void {
  checkKeys(value, path, rolloutChecks)
}

function checkObject(value: unknown, path: string): void {
  const isPlain = typeof value === 'object' && value !== null && !Array.isArray(value)
  if (!isPlain) throw new ConfigurationError(`${path} must be an object.`)
}

function checkText(value: unknown, path: string): void {
  if (typeof value !== 'string' || value === '') throw new ConfigurationError(`${path} must be a text.`)
}

function checkInterval(value: unknown, path: string): void {
  if (typeof value !== 'number' || !Number.isFinite(value) || value <= 0)
    throw new ConfigurationError(`${path} is not a number of milliseconds.`)
}
