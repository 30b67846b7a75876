// partywall.config.ts: what the command line knows of an application. The service itself takes its options where it is made.

import { type Plan, Plans } from './core/plans.ts'
import { ConfigurationError } from './errors.ts'
import { checkedBudget, checkedRings, type ErrorBudget, type Ring } from './postgres/rollout/ring.ts'

/** The content of `partywall.config.ts`. */
export interface PartywallConfig {
  /** Directory of numbered SQL files, from the folder of the configuration. Default `migrations`. */
  readonly migrations?: string | undefined
  /** How migrations go over the fleet. */
  readonly rollout?: RolloutConfig | undefined
  /** By the plan's name. */
  readonly plans?: Readonly<Record<string, Plan>> | undefined
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
 *
 * export default defineConfig({
 *   migrations: 'migrations',
 *   plans: { team: { weight: 2 }, enterprise: { weight: 4, placement: 'database', features: { sso: true } } },
 * })
 * ```
 */
export function defineConfig(config: PartywallConfig): PartywallConfig {
  return config
}

type Check = (value: unknown, path: string) => void

/** A key that the type has and these have not does not compile, and the other way round. */
const configChecks = { migrations: checkText, rollout: checkRollout, plans: checkPlans } satisfies Record<keyof PartywallConfig, Check>
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

function checkKeys(value: unknown, path: string, checks: Readonly<Record<string, Check>>): void {
  checkObject(value, path)
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
