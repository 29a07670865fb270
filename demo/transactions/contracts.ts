import { defineCommand } from 'posthorn';
import * as z from 'zod';

export const PlaceOrder = defineCommand('Shop.PlaceOrder', z.object({ orderId: z.string(), article: z.string() }));
export const ShipOrder = defineCommand('Warehouse.ShipOrder', z.object({ orderId: z.string() }));

export const ARTICLES = ['anvil', 'bell', 'candle'] as const;
/** Of each article, before the first order. */
export const STOCK = 10_000;
