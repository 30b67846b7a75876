// A mover in a process of its own, so that it can be killed. Arguments: JSON.

import process from 'node:process'
import { memorySecrets } from '../src/core/memory-secret-store.ts'
import { openFleet } from '../src/fleet.ts'

interface MoveProcess {
  readonly catalog: string
  readonly admin: string
  readonly secretValues: Readonly<Record<string, string>>
  readonly verb: 'switch' | 'reverse'
}

const { catalog, admin, secretValues, verb } = JSON.parse(process.argv[2] ?? '{}') as MoveProcess
const secrets = memorySecrets()
for (const [name, value] of Object.entries(secretValues)) await secrets.put(name, value)
const fleet = await openFleet({ catalog, admin, secrets, migrations: new URL('../examples/documents/migrations/', import.meta.url) })
await fleet.moves[verb]('acme')
await fleet.close()
