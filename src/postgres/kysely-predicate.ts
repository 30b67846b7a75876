// Adds the explicit tenant to Kysely's queries: `<alias>.tenant_id = $n` wherever a protected table is read or changed, and the
// value of `tenant_id` wherever one is inserted. The wall is in the policies; this is what lets an index, a partition or a
// shard be chosen by the planner. So where a predicate would change what a query means, it is left out.
//
// Row-level security filters a table before it is joined. A predicate means the same
//   in WHERE            unless an outer join may null the table's columns;
//   in ON of any join   always: rows that both sides can show have the tenant already.

import {
  AliasNode,
  AndNode,
  BinaryOperationNode,
  ColumnNode,
  type DeleteQueryNode,
  IdentifierNode,
  type InsertQueryNode,
  type JoinNode,
  type MergeQueryNode,
  OnNode,
  type OperationNode,
  OperatorNode,
  ParensNode,
  ReferenceNode,
  type SelectQueryNode,
  TableNode,
  type UpdateQueryNode,
  ValueNode,
  WhereNode,
  type WithNode,
} from 'kysely'
import { type KeyedTenant, type TenantKeyType, tenantKey } from '../core/tenant-key.ts'
import { WrongTenantError } from '../errors.ts'
import { assertNoTenantChange, fillTenant } from './kysely-insert.ts'

/** The tenant column of a protected table. */
export interface ProtectedColumn {
  readonly name: string
  readonly type: TenantKeyType
}

/** Protected tables and their tenant column, by the names that queries use: `notes`, `app.notes`. */
export type ProtectedTables = ReadonlyMap<string, ProtectedColumn>

type Query = SelectQueryNode | UpdateQueryNode | DeleteQueryNode | InsertQueryNode | MergeQueryNode

const queryKinds: ReadonlySet<string> = new Set([
  'SelectQueryNode',
  'UpdateQueryNode',
  'DeleteQueryNode',
  'InsertQueryNode',
  'MergeQueryNode',
])
/** Nodes in which no query can be; and values of the caller's, which are not nodes even if they look like it. */
const leafKinds: ReadonlySet<string> = new Set([
  'ColumnNode',
  'DataTypeNode',
  'IdentifierNode',
  'OperatorNode',
  'PrimitiveValueListNode',
  'ReferenceNode',
  'SchemableIdentifierNode',
  'SelectAllNode',
  'TableNode',
  'ValueNode',
])

const noNames: ReadonlySet<string> = new Set()
/** What was scoped already, and for whom: a subquery made from the same Kysely arrives scoped. */
const scopedFor = new WeakMap<object, string>()

/**
 * The query with the tenant in it. What has nothing to add comes back as it was.
 *
 * @throws {TenantColumnError} when data names another tenant, or an update sets the tenant column.
 * @throws {ConfigurationError} when the tenant has no key of the type of a table's tenant column.
 * @throws {WrongTenantError} when a part of the query was made in another tenant's scope.
 */
export function scopeQuery<T extends OperationNode>(root: T, tables: ProtectedTables, tenant: KeyedTenant): T {
  return new Scoping(tables, tenant).visit(root, noNames)
}

/** A protected table in a query, and how to refer to it there. */
interface Found {
  readonly column: ProtectedColumn
  readonly reference: TableNode
}

class Scoping {
  readonly #tables: ProtectedTables
  readonly #tenant: KeyedTenant

  constructor(tables: ProtectedTables, tenant: KeyedTenant) {
    this.#tables = tables
    this.#tenant = tenant
  }

  /** Walks to every query inside; copies only the path to what changes. `names` are those of common table expressions. */
  visit<T>(value: T, names: ReadonlySet<string>): T {
    if (typeof value !== 'object' || value === null) return value
    if (Array.isArray(value)) return this.#visitList(value, names) as T
    const { kind } = value as { kind?: string }
    if (kind === undefined || leafKinds.has(kind)) return value
    if (queryKinds.has(kind)) return this.#query(value as unknown as Query, names) as T
    return this.#visitParts(value, names)
  }

  #visitList(list: readonly unknown[], names: ReadonlySet<string>): readonly unknown[] {
    let changed: unknown[] | undefined
    for (let i = 0; i < list.length; i++) {
      const part = this.visit(list[i], names)
      if (part === list[i]) continue
      changed ??= list.slice()
      changed[i] = part
    }
    return changed ?? list
  }

  #visitParts<T extends object>(node: T, names: ReadonlySet<string>): T {
    let changed: T | undefined
    for (const key in node) {
      const part = node[key]
      if (typeof part !== 'object' || part === null) continue
      const visited = this.visit(part, names)
      if (visited === part) continue
      changed ??= { ...node }
      changed[key] = visited
    }
    return changed === undefined ? node : Object.freeze(changed)
  }

  #query(node: Query, outer: ReadonlySet<string>): Query {
    const before = scopedFor.get(node)
    if (before === this.#tenant.id) return node
    if (before !== undefined) {
      throw new WrongTenantError(`A part of the query was made in the scope of tenant ${before}; it runs in that of ${this.#tenant.id}.`)
    }
    const names = node.with === undefined ? outer : namesWithin(node.with, outer)
    const visited = this.#visitParts(node.with === undefined ? node : { ...node, with: this.#visitWith(node.with, outer) }, names)
    const scoped = this.#scope(visited, names)
    if (scoped !== node) scopedFor.set(Object.freeze(scoped), this.#tenant.id)
    return scoped
  }

  /** An expression sees those before it; all, itself included, when they are recursive. */
  #visitWith(node: WithNode, outer: ReadonlySet<string>): WithNode {
    const all = namesWithin(node, outer)
    const seen = new Set(outer)
    const expressions = node.expressions.map((expression) => {
      const visited = this.#visitParts(expression, node.recursive === true ? all : new Set(seen))
      seen.add(expression.name.table.table.identifier.name)
      return visited
    })
    return { ...node, expressions }
  }

  #scope(node: Query, names: ReadonlySet<string>): Query {
    switch (node.kind) {
      case 'SelectQueryNode':
        return this.#scopeReads(node, node.from?.froms ?? [], node.joins, names)
      case 'DeleteQueryNode':
        return this.#scopeReads(node, [...node.from.froms, ...(node.using?.tables ?? [])], node.joins, names)
      case 'UpdateQueryNode':
        return this.#scopeUpdate(node, names)
      case 'InsertQueryNode': {
        const target = node.into === undefined ? undefined : this.#find(node.into, names)
        return target === undefined ? node : fillTenant(node, target.column, tenantKey(this.#tenant, target.column.type))
      }
      case 'MergeQueryNode':
        return this.#scopeMerge(node, names)
    }
  }

  #scopeUpdate(node: UpdateQueryNode, names: ReadonlySet<string>): UpdateQueryNode {
    const targets =
      node.table === undefined
        ? []
        : node.table.kind === 'ListNode'
          ? (node.table as unknown as { items: OperationNode[] }).items
          : [node.table]
    for (const target of targets) {
      const found = this.#find(target, names)
      if (found !== undefined) assertNoTenantChange(node.updates, found.column.name)
    }
    return this.#scopeReads(node, [...targets, ...(node.from?.froms ?? [])], node.joins, names)
  }

  #scopeMerge(node: MergeQueryNode, names: ReadonlySet<string>): MergeQueryNode {
    const target = this.#find(node.into, names)
    const source = node.using === undefined ? undefined : this.#find(node.using.table, names)
    let using = node.using
    for (const found of [target, source]) if (found !== undefined && using !== undefined) using = withOn(using, this.#predicate(found))
    const whens =
      target === undefined
        ? node.whens
        : node.whens?.map((when) => {
            const { result } = when
            if (result?.kind === 'UpdateQueryNode') assertNoTenantChange((result as UpdateQueryNode).updates, target.column.name)
            if (result?.kind !== 'InsertQueryNode') return when
            return { ...when, result: fillTenant(result as InsertQueryNode, target.column, tenantKey(this.#tenant, target.column.type)) }
          })
    return using === node.using && whens === node.whens ? node : { ...node, using: using!, whens: whens! }
  }

  /** Puts each table's predicate where it does not change what the query means. */
  #scopeReads<T extends SelectQueryNode | UpdateQueryNode | DeleteQueryNode>(
    node: T,
    froms: readonly OperationNode[],
    joins: readonly JoinNode[] | undefined,
    names: ReadonlySet<string>,
  ): T {
    let where = node.where
    const placed = joins?.slice()
    const firstNulling = joins?.findIndex(isNulling) ?? -1
    const lastNulling = joins?.findLastIndex(isNulling) ?? -1
    for (const [i, from] of froms.entries()) {
      const found = this.#find(from, names)
      if (found === undefined) continue
      // Joins are joined to the last item of FROM alone.
      if (firstNulling === -1 || i < froms.length - 1) where = withWhere(where, this.#predicate(found))
      else placed![firstNulling] = withOn(placed![firstNulling]!, this.#predicate(found))
    }
    for (const [i, join] of joins?.entries() ?? []) {
      const found = this.#find(join.table, names)
      if (found === undefined) continue
      const isKept = /Right/.test(join.joinType) && i === lastNulling
      const hasOn = join.on !== undefined
      if (hasOn && !isKept) placed![i] = withOn(placed![i]!, this.#predicate(found))
      else if (i >= lastNulling && !/Left|Full|Outer/.test(join.joinType)) where = withWhere(where, this.#predicate(found))
    }
    const isSame = where === node.where && (placed === undefined || placed.every((join, i) => join === joins![i]))
    return isSame ? node : { ...node, ...(where && { where }), ...(placed && { joins: placed }) }
  }

  #predicate({ column, reference }: Found): OperationNode {
    return BinaryOperationNode.create(
      ReferenceNode.create(ColumnNode.create(column.name), reference),
      OperatorNode.create('='),
      ValueNode.create(tenantKey(this.#tenant, column.type)),
    )
  }

  /** The protected table that this part of FROM names, if it is one. */
  #find(node: OperationNode, names: ReadonlySet<string>): Found | undefined {
    if (AliasNode.is(node)) {
      const found = this.#find(node.node, names)
      if (found === undefined || !IdentifierNode.is(node.alias)) return undefined
      return { column: found.column, reference: TableNode.create(node.alias.name) }
    }
    if (!TableNode.is(node)) return undefined
    const { schema, identifier } = node.table
    if (schema === undefined && names.has(identifier.name)) return undefined
    const column = this.#tables.get(schema === undefined ? identifier.name : `${schema.name}.${identifier.name}`)
    return column === undefined ? undefined : { column, reference: node }
  }
}

/** Can the join null the columns of what stands to its left? */
function isNulling({ joinType }: JoinNode): boolean {
  return /Right|Full/.test(joinType)
}

function namesWithin({ expressions }: WithNode, outer: ReadonlySet<string>): ReadonlySet<string> {
  return new Set([...outer, ...expressions.map((expression) => expression.name.table.table.identifier.name)])
}

/** The caller's condition goes into parentheses: a raw `a or b` must not swallow ours. */
function both(condition: OperationNode | undefined, predicate: OperationNode): OperationNode {
  if (condition === undefined) return predicate
  return AndNode.create(ParensNode.is(condition) ? condition : ParensNode.create(condition), predicate)
}

function withWhere(where: WhereNode | undefined, predicate: OperationNode): WhereNode {
  return WhereNode.create(both(where?.where, predicate))
}

function withOn(join: JoinNode, predicate: OperationNode): JoinNode {
  return { ...join, on: OnNode.create(both(join.on?.on, predicate)) }
}
