import { describe, test } from 'node:test'
import { foreignServers } from '../../../../src/postgres/doctor/checks/foreign-servers.ts'
import { provesCheck } from '../../../support/doctor-stage.ts'

describe('foreign-servers finds', () => {
  test('a server that may be used', (t) =>
    provesCheck(t, foreignServers, {
      breaks:
        'create foreign data wrapper far; create server away foreign data wrapper far; grant usage on foreign server away to partywall_app',
      object: 'server away for partywall_app',
    }))

  test('a mapping for everybody', (t) =>
    provesCheck(t, foreignServers, {
      breaks: 'create foreign data wrapper far; create server away foreign data wrapper far; create user mapping for public server away',
      object: 'mapping for public on away',
    }))

  test('a wrapper that may be used', (t) =>
    provesCheck(t, foreignServers, {
      breaks: 'create foreign data wrapper far; grant usage on foreign data wrapper far to partywall_app',
      object: 'wrapper far for partywall_app',
    }))
})
