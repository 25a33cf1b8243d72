import { ferruleLayout } from './ferrule.js';
import { goMicroLayout } from './go-micro.js';
import { kratosLayout } from './kratos.js';
import type { Layout } from './layout.js';

export type LayoutName = 'ferrule' | 'go-micro' | 'kratos';

/** Each by the prefix to use in place of its own. */
export const LAYOUTS: Readonly<Record<LayoutName, (prefix?: string) => Layout>> = {
  ferrule: ferruleLayout,
  'go-micro': goMicroLayout,
  kratos: kratosLayout,
};
