// The stage of operations' tests, in memory: a catalog, places, a journal, and the means to make any of them fail.

import { MemoryAuditTrail } from '../../src/core/memory-audit-trail.ts'
import { MemoryCatalog } from '../../src/core/memory-catalog.ts'
import { MemoryPlacementAdapter } from '../../src/core/memory-placement-adapter.ts'
import { Plans } from '../../src/core/plans.ts'
import { ConfigurationError } from '../../src/errors.ts'
import { MemoryOperationJournal } from '../../src/operations/memory-journal.ts'
import type { OperationEvent } from '../../src/operations/operation-event.ts'
import { Operations, type OperationsOptions } from '../../src/operations/operations.ts'
import { ManualClock } from '../support/manual-clock.ts'

export class MemorySecrets {
  readonly kept = new Map<string, string>()
  /** Kept, and not to be read: older versions, drafts of killed processes. */
  readonly unreadable = new Set<string>()
  /** Thrown by every call, while it is there. */
  failure: Error | undefined

  async get(name: string): Promise<string | undefined> {
    if (this.failure !== undefined) throw this.failure
    return this.kept.get(name)
  }

  async put(name: string, value: string): Promise<void> {
    if (this.failure !== undefined) throw this.failure
    this.kept.set(name, value)
  }

  async delete(name: string): Promise<void> {
    this.kept.delete(name)
    this.unreadable.delete(name)
  }

  async list(prefix: string): Promise<readonly string[]> {
    return [...this.kept.keys(), ...this.unreadable].filter((name) => name.startsWith(prefix))
  }
}

export function memoryStage(change: Partial<OperationsOptions> = {}) {
  const clock = new ManualClock()
  const catalog = new MemoryCatalog({ clock })
  const journal = new MemoryOperationJournal({ clock })
  const auditTrail = new MemoryAuditTrail()
  const secrets = new MemorySecrets()
  const adapters = [new MemoryPlacementAdapter({ isolation: 'pooled' }), new MemoryPlacementAdapter({ isolation: 'schema' })]
  const events: OperationEvent[] = []
  const options: OperationsOptions = {
    catalog,
    journal,
    auditTrail,
    secrets,
    clock,
    plans: new Plans({ pro: { placement: 'schema' } }),
    placements: (isolation) => {
      const adapter = adapters.find((each) => each.isolation === isolation)
      if (adapter === undefined) throw new ConfigurationError(`There is no adapter for ${isolation}.`)
      return adapter
    },
    ...change,
  }
  const [pooled, schema] = adapters as [MemoryPlacementAdapter, MemoryPlacementAdapter]
  return {
    clock,
    catalog,
    journal,
    auditTrail,
    secrets,
    pooled,
    schema,
    events,
    options,
    operations: new Operations(options),
    onProgress: (event: OperationEvent) => events.push(event),
    audited: () => auditTrail.events().map(({ action, outcome, details }) => `${action} ${outcome} ${String(details?.['phase'])}`),
  }
}

/** Fails the first `times` calls of a method, then lets it through. */
export function failing<T extends object>(target: T, method: keyof T, error: Error, times = 1): T {
  let left = times
  return new Proxy(target, {
    get(object, name) {
      const value: unknown = Reflect.get(object, name)
      if (typeof value !== 'function') return value
      return (...parameters: unknown[]) => {
        if (name === method && left > 0) {
          left -= 1
          return Promise.reject(error)
        }
        return Reflect.apply(value, object, parameters) as unknown
      }
    },
  })
}
