class Account < ApplicationRecord
  has_secure_password
end
