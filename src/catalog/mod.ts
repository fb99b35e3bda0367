export type {
  Catalog,
  CatalogEntry,
  CatalogImage,
  CatalogQuery,
  Found,
  PathPattern,
  UpdateOptions,
} from './catalog.ts';
export { type CatalogOptions, withCatalog } from './with-catalog.ts';
