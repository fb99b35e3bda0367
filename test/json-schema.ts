/** The part of JSON Schema that the files of `docs/json` use. Unknown words are refused, so that none is ignored. */
export interface Schema {
  readonly type?: 'object' | 'array' | 'string' | 'integer' | 'number' | 'boolean';
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly oneOf?: readonly Schema[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: false | Schema;
  readonly items?: Schema;
  readonly pattern?: string;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly $ref?: string;
  readonly $defs?: Readonly<Record<string, Schema>>;
}

const KNOWN = new Set([
  ...['type', 'const', 'enum', 'oneOf', 'properties', 'required', 'additionalProperties', 'items', 'pattern'],
  ...['minimum', 'maximum', '$ref', '$defs', '$schema', 'title', 'description', 'format'],
]);

/** What `value` does against `schema`; nothing if it fits. */
export function schemaErrors(value: unknown, schema: Schema, whole: Schema = schema, at = '$'): string[] {
  const unknown = Object.keys(schema).filter((word) => !KNOWN.has(word));
  if (unknown.length > 0) throw new Error(`the schema at ${at} uses ${unknown.join(', ')}`);
  if (schema.$ref !== undefined) {
    return schemaErrors(value, whole.$defs![schema.$ref.slice('#/$defs/'.length)]!, whole, at);
  }
  if (schema.oneOf !== undefined) {
    const tries = schema.oneOf.map((one) => schemaErrors(value, one, whole, at));
    const fitting = tries.filter((errors) => errors.length === 0).length;
    return fitting === 1
      ? []
      : [`${at}: fits ${fitting} of ${tries.length}: ${tries.map((e) => e[0]).join(' | ')}`];
  }
  const errors: string[] = [];
  if (schema.type !== undefined && !isOfType(value, schema.type))
    return [`${at}: not ${schema.type}: ${JSON.stringify(value)}`];
  if ('const' in schema && value !== schema.const) errors.push(`${at}: not ${schema.const}`);
  if (schema.enum?.includes(value) === false)
    errors.push(`${at}: ${value} is not one of ${schema.enum.join(', ')}`);
  if (typeof value === 'string' && schema.pattern !== undefined && !new RegExp(schema.pattern).test(value)) {
    errors.push(`${at}: "${value}" does not fit ${schema.pattern}`);
  }
  if (typeof value === 'number') {
    if (value < (schema.minimum ?? -Infinity) || value > (schema.maximum ?? Infinity))
      errors.push(`${at}: ${value} is out of bounds`);
  }
  if (Array.isArray(value)) {
    for (const [i, item] of value.entries())
      errors.push(...schemaErrors(item, schema.items ?? {}, whole, `${at}[${i}]`));
  } else if (typeof value === 'object' && value !== null) {
    for (const name of schema.required ?? []) if (!(name in value)) errors.push(`${at}: no ${name}`);
    for (const [name, inner] of Object.entries(value)) {
      const known = schema.properties?.[name] ?? schema.additionalProperties;
      if (known === false) errors.push(`${at}: ${name} is not documented`);
      else if (known !== undefined) errors.push(...schemaErrors(inner, known, whole, `${at}.${name}`));
    }
  }
  return errors;
}

function isOfType(value: unknown, type: NonNullable<Schema['type']>): boolean {
  if (type === 'array') return Array.isArray(value);
  if (type === 'object') return typeof value === 'object' && value !== null && !Array.isArray(value);
  if (type === 'integer') return Number.isSafeInteger(value);
  return typeof value === type;
}
