# frozen_string_literal: true

Rails.application.routes.draw do
  root 'pages#root'
  get '/ping', to: 'pages#ping'
  post '/echo', to: 'pages#echo'
  resources :products, only: :index
end
