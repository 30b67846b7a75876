import { describe, test } from 'node:test'
import { openRootForMoves } from '../../../../src/postgres/doctor/checks/open-root-for-moves.ts'
import { provesCheck } from '../../../support/doctor-stage.ts'

const root = `
  create table app.notes (tenant_id uuid not null, id uuid not null) partition by list (tenant_id);
  comment on table app.notes is 'partywall: root for moves';
  alter table app.notes enable row level security, force row level security`

describe('open-root-for-moves finds', () => {
  test('a root that the app may read', (t) =>
    provesCheck(t, openRootForMoves, { before: root, breaks: `grant select on app.notes to partywall_app`, object: 'app.notes' }))

  test('a root with one column for everybody', (t) =>
    provesCheck(t, openRootForMoves, { before: root, breaks: `grant select (tenant_id) on app.notes to public`, object: 'app.notes' }))

  test('a root whose policies are off', (t) =>
    provesCheck(t, openRootForMoves, { before: root, breaks: `alter table app.notes disable row level security`, object: 'app.notes' }))

  test('a root with a policy', (t) =>
    provesCheck(t, openRootForMoves, { before: root, breaks: `create policy mine on app.notes using (true)`, object: 'app.notes' }))

  test('a root of another owner', (t) =>
    provesCheck(t, openRootForMoves, { before: root, breaks: `alter table app.notes owner to current_user`, object: 'app.notes' }))
})
