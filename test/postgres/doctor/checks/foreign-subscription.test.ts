import { describe, test } from 'node:test'
import { foreignSubscription } from '../../../../src/postgres/doctor/checks/foreign-subscription.ts'
import { provesCheck } from '../../../support/doctor-stage.ts'

describe('foreign-subscription finds', () => {
  const subscription = (name: string, publication: string) => `
    create subscription ${name} connection 'host=127.0.0.1 port=1 dbname=none' publication ${publication} with (connect = false, slot_name = none);
    set local allow_system_table_mods = on;
    update pg_catalog.pg_subscription as s set subenabled = true where s.subname = '${name}'`
  const mend = (name: string) => `update pg_catalog.pg_subscription as s set subenabled = false where s.subname = '${name}'`

  test('one of somebody else’s', (t) =>
    provesCheck(t, foreignSubscription, { breaks: subscription('feed', 'everything'), object: 'feed', mend: mend('feed') }))

  test('one that has the name of a move’s and another’s publication', (t) => {
    const name = `pw_mv_${'0'.repeat(32)}_1`
    return provesCheck(t, foreignSubscription, { breaks: subscription(name, 'everything'), object: name, mend: mend(name) })
  })
})
