// partywall dev: the application on a PostgreSQL of its own, with demo tenants, after a live self-check.

import { resolve } from 'node:path'
import { ConfigurationError } from '../../errors.ts'
import { loadApplication } from '../dev/application.ts'
import { type DevEnvironment, startDevEnvironment } from '../dev/environment.ts'
import type { Verb } from '../verb.ts'

const directoryDefault = '.partywall'

const usage = `partywall dev --app <module> [--port <port>] [--host <host>] [--directory ${directoryDefault}]

Runs an application for development: an embedded PostgreSQL, partywall, the application's migrations, three demo tenants,
a self-check that really tries to cross the wall, and the service. Everything is kept in ${directoryDefault}/ between runs;
delete it to start afresh. Ctrl-C stops it. While it runs, ${directoryDefault}/dev.json says where everything is.

  --app   a module that exports name, migrations, probe, seed() and start(); see examples/documents/src/application.ts
  --port  default: a free one`

export const dev: Verb = {
  summary: 'Run an application with an embedded PostgreSQL and demo tenants',
  usage,
  options: { app: { type: 'string' }, port: { type: 'string' }, host: { type: 'string' }, directory: { type: 'string' } },
  async run({ args, flags, terminal }) {
    const { app, host, directory = directoryDefault } = flags as Record<string, string | undefined>
    if (app === undefined || args.length > 0) throw new ConfigurationError('Name the application: partywall dev --app src/application.ts')
    // From here on: a signal during the start stops what has been started, after that step.
    const stopped = terminal.untilStopped()
    const application = await loadApplication(resolve(terminal.cwd, app))
    const environment = await startDevEnvironment({
      application,
      directory: resolve(terminal.cwd, directory),
      host,
      port: readPort(flags['port']),
      report: (line) => terminal.print(`  ${line}`),
    })
    for (const line of greeting(environment, application.probe.collection)) terminal.print(line)
    await stopped
    terminal.print('Stopping …')
    await environment.close()
  },
}

function readPort(given: string | boolean | undefined): number {
  if (given === undefined) return 0
  const port = Number(given)
  if (Number.isInteger(port) && port >= 0 && port <= 65_535) return port
  throw new ConfigurationError(`--port is ${JSON.stringify(given)}; it must be a port, 0 to 65535.`)
}

function greeting({ description, tenants, wall }: DevEnvironment, collection: string): readonly string[] {
  const { url } = description
  const [first, second] = tenants
  const attempts = wall.attempts.map(
    ({ door, name, outcome }) => `  ${outcome === 'refused' ? 'refused' : 'LEAKED '}  ${door.padEnd(4)}  ${name}`,
  )
  const refused = wall.attempts.filter(({ outcome }) => outcome === 'refused').length
  return [
    '',
    'The wall, tried just now over HTTP and in SQL:',
    ...attempts,
    `  ${refused} of ${wall.attempts.length} attempts refused, ${wall.attempts.length - refused} leaked.`,
    '',
    ...tenants.map(({ tenant, token }) => `${tenant.slug} (${tenant.plan})\n  ${token}`),
    '',
    'Try:',
    `  curl ${url}${collection} -H 'authorization: Bearer ${first?.token}'`,
    `  curl ${url}${collection} -H 'x-api-key: ${second?.apiKey}' -H 'content-type: application/json' -d '{"title":"Hello"}'`,
    `  curl ${url}${collection} -H 'authorization: Bearer ${first?.token}' -H 'x-tenant-id: ${second?.tenant.slug}'   # 404: not yours`,
    '',
    `Serving on ${url}. Ctrl-C stops.`,
  ]
}
